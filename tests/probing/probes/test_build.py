"""Built probes: length, gold positions, unambiguous queries, determinism."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.build import BuiltProbe, build_probe, unambiguous
from in2_plugin.probing.probes.items import read_items
from in2_plugin.probing.probes.options import NEW_TOKENS, ProbeOptions
from in2_plugin.probing.probes.probe import Item
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.probes.tokens import ModelTokens

POOLS = {name: read_items(probe) for name, probe in PROBES.items()}


class Words:
    """A tokenizer for tests: splits words and single other characters, `width` characters per token."""

    def __init__(self, width: int = 4, template: int = 0) -> None:
        self.width, self.template = width, template

    def each(self, texts):
        return [sum(math.ceil(len(word) / self.width) for word in re.findall(r"\w+|\W", text)) for text in texts]

    def prompt(self, text):
        return self.each([text])[0] + self.template


def build(name: str, tokens=None, pool=None, **options) -> BuiltProbe:
    options = ProbeOptions(**{f"probe_{key}": value for key, value in options.items()})
    return build_probe(PROBES[name], pool or POOLS[name], options, tokens or Words())


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(list(PROBES)),
    st.integers(420, 4_000),
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(0, 50),
    st.integers(0, 5),
    st.sampled_from(["plain", "film"]),
)
def test_prompts_fit_the_length_and_golds_are_at_their_positions(name, length, sets, width, template, seed, wrapper):
    tokens = Words(width, template)
    try:
        probe = build(name, tokens, length=length, sets=sets, seed=seed, template=wrapper)
    except ProbeError as error:
        assert "does not hold 2 items" in str(error)
        return
    longest = 0
    for question in probe.questions():
        item = probe.item(question.set, question.position)
        prompt = probe.prompt(question.set, question.position)
        assert prompt.index(item.text) == sum(
            len(before.text) + 1 for before in probe.sets[question.set].items[: question.position]
        ) + len(probe.template.before)
        assert PROBES[name].ask(item) in prompt[prompt.index("### Instruction:") :]
        longest = max(longest, tokens.prompt(prompt))
    assert longest <= probe.longest <= length - NEW_TOKENS
    assert len(probe.questions()) == sum(len(one.items) for one in probe.sets)


@pytest.mark.parametrize("name", PROBES)
def test_the_longest_prompt_is_exact_with_real_tokenizers(name, mistral_folder, qwen_folder):
    """The code compares only the tokens of the questions; this counts every prompt."""
    from transformers import AutoTokenizer

    for folder in (mistral_folder, qwen_folder):
        tokens = ModelTokens(AutoTokenizer.from_pretrained(folder), takes_chat_template=True)
        probe = build(name, tokens, length=1_500, sets=2)
        counts = [tokens.prompt(probe.prompt(q.set, q.position)) for q in probe.questions()]
        assert max(counts) == probe.longest <= 1_500 - NEW_TOKENS


@pytest.mark.parametrize("name", PROBES)
def test_one_more_item_would_not_fit(name):
    probe = build(name, Words(3, 11), length=4_096, sets=2)
    for one in probe.sets:
        longest_item = max(Words(3).each([item.text for item in POOLS[name]]))
        assert 4_096 - NEW_TOKENS - one.tokens <= longest_item + 40  # 40: another question may become the longest


@pytest.mark.parametrize(("name", "items"), [("document", 700), ("code", 700), ("database", 600)])
def test_few_prompts_are_counted_and_real_tokenizers_fill_32k(name, items, mistral_folder):
    from transformers import AutoTokenizer

    tokens = ModelTokens(AutoTokenizer.from_pretrained(mistral_folder), takes_chat_template=True)
    counted = []
    inner = tokens.prompt
    tokens.prompt = lambda text: counted.append(text) or inner(text)
    probe = build(name, tokens, sets=1)
    assert probe.longest > 32_768 - NEW_TOKENS - 120 and len(probe.sets[0].items) >= items
    assert len(counted) < 20
    # the longest question was found by its own tokens, without counting all prompts
    ends = (probe.prompt(0, position) for position in range(0, len(probe.sets[0].items), 97))
    assert max(inner(prompt) for prompt in ends) <= probe.longest


def test_prompts_have_the_wording_of_the_paper():
    questions = {name: PROBES[name].ask(Item("", "X", ())) for name in PROBES}
    assert questions == {
        "document": 'In above context, which sentence contains the piece "X"?',
        "code": 'In above context, which function contains the code snip "X" ?',
        "database": "In above context , what is the label and description for the query where the id is X ?",
    }
    plain, film = (build("code", length=1_024, template=name) for name in ("plain", "film"))
    assert film.prompt(0, 0).startswith("[INST] Below is a context") and film.prompt(0, 0).endswith(" [/INST]")
    context = plain.sets[0].context
    assert plain.prompt(0, 0) == (
        "Below is a context and an instruction. Based on the information provided in the context, write a response "
        f"for the instruction.\n\n### Context:\n{context}\n\n### Instruction:\n{PROBES['code'].ask(plain.item(0, 0))}"
    )


def test_probes_depend_only_on_the_options():
    first, again, other = (build("database", length=1_024, seed=seed) for seed in (0, 0, 1))
    assert first == again and first.fingerprint() == again.fingerprint() != other.fingerprint()
    assert first.sets[0].items != first.sets[1].items


def test_queries_that_occur_twice_are_skipped():
    items = [Item("a b c d.", "b c", ("",)), Item("x b c y.", "x b", ("",)), Item("aaa.", "aa", ("",))]
    assert unambiguous(PROBES["document"], items) == [1]  # overlapping repeats count too
    entities = [Item(f"<id: {i}, label: l, description: d>", i, ("l", "d")) for i in ("Q1", "Q12", "Q7", "Q7")]
    assert unambiguous(PROBES["database"], entities) == [0, 1]


def test_ambiguous_items_stay_in_the_context():
    pool = [Item(f"sentence {i} says it again.", "says it again.", ("",)) for i in range(50)]
    pool += [Item(f"another sentence number {i}.", f"number {i}.", ("",)) for i in range(50)]
    probe = build("document", pool=pool, length=300, sets=1)
    assert 0 < len(probe.sets[0].asked) < len(probe.sets[0].items)
    assert all(not probe.item(0, p).query.startswith("says") for p in probe.sets[0].asked)
    with pytest.raises(ProbeError, match="every query of set 0 of the document probe is ambiguous"):
        build("document", pool=pool[:50], length=300)


def test_chosen_questions_are_spread_over_the_context():
    probe = build("code", length=8_192, questions=16, sets=2)
    for s, one in enumerate(probe.sets):
        assert len(one.asked) == 16
        assert sorted(q.span for q in probe.questions() if q.set == s) == list(range(16))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "document",
            {"length": 200},
            "probe_length=200 does not hold 2 items of the document probe.* at least 3[0-9]{2}$",
        ),
        ("code", {"length": 512, "questions": 900}, "probe_questions=900, but set 0 of the code probe has only "),
        ("code", {"length": 900_000}, "all 5,000 items of the code probe together do not fill probe_length=900000"),
    ],
)
def test_impossible_probes_are_refused(name, options, message):
    with pytest.raises(ProbeError, match=message):
        build(name, **options)


def test_the_length_named_in_a_refusal_is_enough():
    with pytest.raises(ProbeError) as caught:
        build("document", length=200, sets=1)
    length = int(str(caught.value).rsplit(" ", 1)[1])
    assert len(build("document", length=length, sets=1).sets[0].items) == 2
