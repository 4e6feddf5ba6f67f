"""Trainers compute the ids and labels of the dataset from each format, token by token."""

import pickle
from dataclasses import replace

import pytest
from axolotl.prompt_strategies import chat_template, input_output
from axolotl.utils.dict import DictDefault
from tokenizers.processors import TemplateProcessing

from in2_plugin.dataset.prompts import QuestionPrompts
from in2_plugin.dataset.reader import turns_of
from in2_plugin.errors import TokenizerError
from in2_plugin.sharing.formats import Conversion, Format
from in2_plugin.sharing.supervision import trainer_adds_bos
from tests.support import vocabularies

IGNORED = -100


def converted(shared, form: Format, **settings) -> list[dict]:
    rows = list(shared.dataset.rows())
    return Conversion(shared.dataset, form, shared.tokenizer, **settings)(rows).to_pylist()


def by_completion(prompt_ids: list[int], ids: list[int]) -> list[int]:
    """Labels of TRL: loss on every token after the prompt."""
    assert ids[: len(prompt_ids)] == prompt_ids
    return [IGNORED] * len(prompt_ids) + ids[len(prompt_ids) :]


def last_turns(shared):
    """What is rendered for each row of `prompt-completion`: a conversation so far, with loss on its last answer."""
    for row in shared.dataset.rows():
        turns = turns_of(row)
        for n in range(1, len(turns) + 1):
            rendered = shared.dataset.renderer.render(row["segment_ids"], turns[:n])
            start, stop = rendered.answers[-1]
            ids = rendered.input_ids.tolist()
            yield ids, [IGNORED] * start + ids[start:stop] + [IGNORED] * (len(ids) - stop)


def test_tokenized_rows_equal_the_rendering(shared):
    rows = converted(shared, Format.TOKENIZED)
    assert len(rows) == len(shared.dataset)
    for row, example in zip(rows, shared.dataset.rows(), strict=True):
        rendered = shared.dataset.render(example)
        assert row["input_ids"] == rendered.input_ids.tolist()
        assert row["labels"] == rendered.labels.tolist()
        assert row["attention_mask"] == [1] * len(row["input_ids"])


def test_axolotl_computes_the_same_ids_and_labels(shared):
    strategy = input_output.load(shared.pretrained(), DictDefault({"train_on_inputs": False, "sequence_len": 640}))
    for row, example in zip(converted(shared, Format.AXOLOTL), shared.dataset.rows(), strict=True):
        rendered, made = shared.dataset.render(example), strategy.tokenize_prompt(row)
        assert made["input_ids"] == rendered.input_ids.tolist()
        assert made["labels"] == rendered.labels.tolist()
        assert row["part"] == example["part"]


def test_messages_render_to_the_same_text(in_chat, in_chatml):
    for shared in (in_chat, in_chatml):
        pretrained = shared.pretrained()
        for row, example in zip(converted(shared, Format.MESSAGES), shared.dataset.rows(), strict=True):
            assert pretrained.apply_chat_template(row["messages"], tokenize=False) == shared.dataset.text(example)
            assert row["part"] == example["part"]


def test_axolotls_chat_template_skips_only_white_space(in_chat, in_chatml):
    """The ids are equal; the labels omit a leading space that is a separate token."""
    for shared in (in_chat, in_chatml):
        pretrained = shared.pretrained()
        settings = DictDefault({"train_on_inputs": False, "sequence_len": 640})
        strategy = chat_template.load(pretrained, settings, DictDefault({"type": "chat_template"}))
        for row, example in zip(converted(shared, Format.MESSAGES), shared.dataset.rows(), strict=True):
            rendered, made = shared.dataset.render(example), strategy.tokenize_prompt(row)
            assert made["input_ids"] == rendered.input_ids.tolist()
            for ours, theirs in zip(rendered.labels.tolist(), made["labels"], strict=True):
                assert ours == theirs or (theirs == IGNORED and pretrained.decode([ours]).strip() == "")


def test_a_conversation_has_one_row_per_turn_with_loss_on_its_answer(in_chat):
    pretrained, expected = in_chat.pretrained(), list(last_turns(in_chat))
    rows = converted(in_chat, Format.PROMPT_COMPLETION)
    assert len(rows) == len(expected) > len(in_chat.dataset)
    for row, (ids, labels) in zip(rows, expected, strict=True):
        prompt = pretrained.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False)
        whole = pretrained.apply_chat_template(row["prompt"] + row["completion"], return_dict=False)
        assert (whole, by_completion(prompt, whole)) == (ids, labels)


def test_chatml_trains_on_an_extra_line_break(in_chatml):
    """This is the only difference, and `in2 export` reports it."""
    pretrained = in_chatml.pretrained()
    (line_break,) = pretrained("\n")["input_ids"]
    for row, (ids, labels) in zip(converted(in_chatml, Format.PROMPT_COMPLETION), last_turns(in_chatml), strict=True):
        prompt = pretrained.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False)
        whole = pretrained.apply_chat_template(row["prompt"] + row["completion"], return_dict=False)
        assert whole == ids and labels[-1] == IGNORED
        assert by_completion(prompt, whole) == [*labels[:-1], line_break]


def test_prompts_are_those_of_each_question(in_chat, in_chatml):
    for shared in (in_chat, in_chatml):
        prompts = QuestionPrompts.open(shared.folder, shared.tokenizer, number_segments=True)
        expected = [one for row in shared.dataset.rows() for one in prompts.each(row)]
        rows = converted(shared, Format.GRPO, prompts=prompts)
        assert [{**row, "depth": None} for row in rows] == [{**one, "depth": None} for one in expected]
        assert [row["depth"] for row in rows] == pytest.approx([one["depth"] for one in expected])
        limit = max(one["prompt_tokens"] for one in expected) - 1
        short = converted(shared, Format.GRPO, prompts=prompts, max_prompt_tokens=limit)
        assert short == [row for row in rows if row["prompt_tokens"] <= limit]


def plain_rows_train_on(rows: list[dict], pretrained) -> list[tuple[list[int], list[int]]]:
    for row in rows:
        assert row["completion"].endswith(pretrained.eos_token)  # or TRL would add one
    pairs = [(pretrained(row["prompt"])["input_ids"], pretrained(row["prompt"] + row["completion"])["input_ids"])
             for row in rows]  # fmt: skip
    return [(ids, by_completion(prompt, ids)) for prompt, ids in pairs]


def test_films_form_is_plain_text(in_film):
    assert not trainer_adds_bos(in_film.tokenizer)
    rows = converted(in_film, Format.PROMPT_COMPLETION)
    assert plain_rows_train_on(rows, in_film.pretrained()) == list(last_turns(in_film))
    assert rows[0]["prompt"].startswith("<s>[INST] ")


def save_with_post_processor(folder, *, single: str):
    tokenizer = vocabularies.mistral()
    special = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    changed = tokenizer.from_str(tokenizer.to_str())  # `mistral` is cached
    changed.post_processor = TemplateProcessing(single=single, special_tokens=special)
    return vocabularies.save(changed, folder, "unused", bos_token="<s>", eos_token="</s>")


def test_a_tokenizer_that_adds_bos_gets_no_second_one(build_shared, tmp_path):
    shared = build_shared("adds-bos", save_with_post_processor(tmp_path / "bos", single="<s> $A"), template="film")
    assert trainer_adds_bos(shared.tokenizer)
    rows = converted(shared, Format.PROMPT_COMPLETION, trainer_adds_bos=True)
    assert rows[0]["prompt"].startswith("[INST] ")
    assert plain_rows_train_on(rows, shared.pretrained()) == list(last_turns(shared))


def test_a_tokenizer_that_adds_an_end_is_refused(tmp_path):
    from transformers import AutoTokenizer

    from in2_plugin.corpus.tokenizer import ModelTokenizer

    folder = save_with_post_processor(tmp_path / "eos", single="<s> $A </s>")
    with pytest.raises(TokenizerError, match=r"adds tokens other than a beginning-of-sequence token.*--to tokenized"):
        trainer_adds_bos(ModelTokenizer(AutoTokenizer.from_pretrained(folder)))


@pytest.fixture(scope="module")
def without_space(build_shared, tmp_path_factory):
    """An answer that follows `]` at once: Mistral's tokenizer gives it other ids at the beginning of a text."""
    template = (
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
        "{% else %}{{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
    )
    settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    folder = vocabularies.save(vocabularies.mistral(), tmp_path_factory.mktemp("tight"), template, **settings)
    return build_shared("tight", folder)


def test_text_with_other_ids_in_parts_is_refused(without_space):
    with pytest.raises(TokenizerError, match=r"other ids in parts than as a whole.*--to tokenized"):
        converted(without_space, Format.AXOLOTL)


def test_a_pickled_conversion_gives_the_same_rows(shared):
    rows = list(shared.dataset.rows())[:3]
    for form in Format:
        here = Conversion(shared.dataset, form, shared.tokenizer)
        if form in (Format.MESSAGES, Format.GRPO) and here.is_film:
            continue
        if form is Format.GRPO:
            here = replace(here, prompts=QuestionPrompts.open(shared.folder, shared.tokenizer))
        there = pickle.loads(pickle.dumps(here))
        assert there(rows).equals(here(rows))
        assert there.schema == here.schema
