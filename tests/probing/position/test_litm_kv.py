"""Key-value retrieval: the authors' prompt and scorer, paired depths, and lengths that fit."""

import json
from collections import Counter, defaultdict
from statistics import fmean

import pytest

from in2_plugin.errors import ConfigError, ProbeError
from in2_plugin.probing.position.litm_kv import LITM_KV, NEW_TOKENS, KeyValuePrompts, load_key_values
from in2_plugin.probing.probes.tokens import load_tokens


class Characters:
    """One token per three characters."""

    def each(self, texts):
        return [-(-len(text) // 3) for text in texts]

    def prompt(self, text):
        return -(-len(text) // 3)


def made(**options) -> KeyValuePrompts:
    return load_key_values({"probe_length": 1_500, "probe_questions": 20, **options}, "", Characters())


def pairs_of(prompt: str) -> dict[str, str]:
    return json.loads(prompt[prompt.index("{") : prompt.index("}") + 1])


def test_the_prompt_has_the_form_of_the_authors():
    # tests/test_prompting.py of nelson-liu/lost-in-the-middle shows the form
    prompts = made()
    lines = prompts.prompt(prompts.questions[0]).splitlines()
    assert lines[:3] == [
        "Extract the value corresponding to the specified key in the JSON object below.", "", "JSON data:",
    ]  # fmt: skip
    assert lines[3].startswith('{"') and lines[3].endswith('",') and lines[4].startswith(' "')
    assert lines[-4].endswith('"}') and lines[-3] == ""
    assert lines[-2] == f'Key: "{prompts.questions[0].query}"' and lines[-1] == "Corresponding value:"


def test_every_question_is_asked_once_at_every_depth():
    prompts = made()
    depths = defaultdict(list)
    for one in prompts.questions:
        depths[one.question].append(one.depth)
    assert {number: sorted(found) for number, found in depths.items()} == {q: list(range(10)) for q in range(20)}
    assert Counter(one.context for one in prompts.questions) == dict.fromkeys(range(20), 10)


def test_only_the_golds_of_a_block_change_places():
    prompts = made()
    of_block = [one for one in prompts.questions if one.context < 10]
    golds = {one.query for one in of_block}
    orders = {one.context: list(pairs_of(prompts.prompt(one))) for one in of_block}
    fillers = {tuple(None if key in golds else key for key in order) for order in orders.values()}
    assert len(fillers) == 1 and len({tuple(order) for order in orders.values()}) == 10
    for one in of_block:
        assert pairs_of(prompts.prompt(one))[one.query] == one.gold[0] != one.other
        place = orders[one.context].index(one.query)
        size = len(orders[one.context])
        assert one.gold_depths == (pytest.approx((place + 0.5) / size),)
        assert one.depth * size // 10 <= place < (one.depth + 1) * size // 10


def test_the_longest_prompt_and_the_answer_fill_the_length(mistral_folder):
    tokens = load_tokens({"pretrained": str(mistral_folder)}, takes_chat_template=True)
    for length in (2_048, 4_096):
        prompts = load_key_values({"probe_length": length, "probe_questions": 12}, "", tokens)
        longest = max(tokens.prompt(prompts.prompt(one)) for one in prompts.questions)
        assert 0 <= length - NEW_TOKENS - longest < 250
        assert {one.length for one in prompts.questions} == {length}


def test_questions_and_digest_do_not_depend_on_the_tokenizer(mistral_folder):
    tokens = load_tokens({"pretrained": str(mistral_folder)}, takes_chat_template=True)
    one, other = made(), load_key_values({"probe_length": 1_500, "probe_questions": 20}, "", tokens)
    assert one.digest() == other.digest()
    assert [(q.text, q.gold) for q in one.questions] == [(q.text, q.gold) for q in other.questions]
    different = [made(probe_seed=1), made(probe_length=1_600), made(probe_questions=10), made(probe_depths=5)]
    assert len({one.digest(), *(prompts.digest() for prompts in different)}) == 5


def test_the_same_options_make_the_same_prompts():
    one, other = made(), made()
    assert [one.prompt(q) for q in one.questions] == [other.prompt(q) for q in other.questions]


def test_a_number_of_questions_that_does_not_fill_its_last_block():
    prompts = made(probe_questions=13)
    assert {one.question for one in prompts.questions} == set(range(13)) and len(prompts.questions) == 130


def test_the_authors_scorer_gives_the_same_numbers():
    """evaluate_kv_responses.py: the mean over answers of "value in answer", both in lower case."""
    prompts = made()
    forms = ("{0}", "THE VALUE IS {0}.", '"{0}"', "{1}", "{2}", "{0} {1}", "")
    answers = [
        forms[index % 7].format(one.gold[0].upper() if index % 2 else one.gold[0], one.other, one.query)
        for index, one in enumerate(prompts.questions)
    ]
    theirs = fmean(
        1.0 if one.gold[0].lower() in answer.lower() else 0.0
        for one, answer in zip(prompts.questions, answers, strict=True)
    )
    ours = [LITM_KV.score(one.gold, answer) for one, answer in zip(prompts.questions, answers, strict=True)]
    assert fmean(ours) == theirs == pytest.approx(4 / 7, abs=0.01)


def test_invalid_options_are_refused():
    with pytest.raises(ProbeError, match=r"probe_length=400 holds \d+ pairs, fewer than probe_depths=10; raise"):
        made(probe_length=400)
    with pytest.raises(ConfigError, match="did you mean `probe_depths`"):
        made(probe_depth=5)
