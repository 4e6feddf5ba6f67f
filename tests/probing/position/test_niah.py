"""RULER's needle tasks: every needle at every depth of equal contexts, RULER's wording, lengths and scores."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.errors import ConfigError, ProbeError
from in2_plugin.probing.position.niah import NEW_TOKENS, NIAH_MULTI, NIAH_SINGLE, found_share, needle_depths
from tests.probing.probes.test_build import Words

SHORT = {"probe_length": 1_000, "probe_questions": 12, "probe_depths": 5, "tokenizer": "ignored"}
VARIANTS = [
    (NIAH_SINGLE, {}),
    (NIAH_SINGLE, {"probe_values": "uuids", "probe_haystack": "noise"}),
    (NIAH_MULTI, {}),
    (NIAH_MULTI, {"probe_variant": "multivalue", "probe_needles": 3}),
    (NIAH_MULTI, {"probe_variant": "multikey", "probe_answer_prefix": True}),
]


def made(probe, tokens=None, **options):
    return probe.load({**SHORT, **options}, "", tokens or Words())


@pytest.mark.parametrize(("probe", "options"), VARIANTS)
def test_every_question_is_asked_at_every_depth_of_equal_contexts(probe, options):
    prompts = made(probe, **options)
    depths, contexts = defaultdict(list), defaultdict(set)
    for question in prompts.questions:
        prompt = prompts.prompt(question)
        for value, middle in zip(question.gold, question.gold_depths, strict=True):
            assert prompt.count(value) == 1
            assert prompt.index(value) / len(prompt) == pytest.approx(middle, abs=0.15)
        for needle in prompts.design.needles(question.context):
            prompt = prompt.replace(needle.text, "")
        depths[question.question].append(question.depth)
        contexts[question.question].add((question.text, question.gold, "".join(prompt.split())))
    assert list(map(sorted, depths.values())) == [[0, 1, 2, 3, 4]] * 12
    assert [len(different) for different in contexts.values()] == [1] * 12


@pytest.mark.parametrize(("probe", "options"), VARIANTS)
@pytest.mark.parametrize("length", [1_000, 2_000])
def test_prompts_fill_the_length_and_never_exceed_it(probe, options, length):
    tokens = Words(template=7)
    prompts = made(probe, tokens, **options, probe_length=length)
    counts = [tokens.prompt(prompts.prompt(question)) for question in prompts.questions]
    assert length - NEW_TOKENS - 120 < max(counts) <= length - NEW_TOKENS


@given(st.integers(2, 12), st.data())
def test_depths_and_distances_are_dealt_equally(n_depths, data):
    n_needles = data.draw(st.integers(1, n_depths))
    dealt = [
        needle_depths(group, context, n_needles, n_depths)
        for group in range(n_depths - 1)
        for context in range(n_depths)
    ]
    assert all(len(set(depths)) == n_needles and max(depths) < n_depths for depths in dealt)
    for needle in range(1, n_needles):
        pairs = Counter((depths[0], depths[needle]) for depths in dealt)
        assert set(pairs.values()) == {1} and len(pairs) == n_depths * (n_depths - 1)
    for start in range(0, len(dealt), n_depths):
        assert all(len(set(column)) == n_depths for column in zip(*dealt[start : start + n_depths], strict=True))


@pytest.mark.parametrize(("probe", "options"), VARIANTS[2:])
def test_groups_of_needles_have_other_surroundings(probe, options):
    """So one place of the text that is hard to read beside a depth does not lower that depth for every question."""
    prompts = made(probe, **options)
    assert len(prompts.haystacks) == len(prompts.design.groups)
    assert len({haystack.units[:3] for haystack in prompts.haystacks}) == len(prompts.haystacks)


@pytest.mark.parametrize(("probe", "options"), VARIANTS)
def test_every_depth_is_another_place(probe, options):
    prompts = made(probe, **options, probe_depths=12, probe_length=2_000)
    for haystack in prompts.haystacks:
        assert len(set(haystack.cuts(12))) == 12


def test_the_wording_of_one_value():
    prompts = made(NIAH_SINGLE, probe_answer_prefix=True)
    question = prompts.questions[0]
    prompt = prompts.prompt(question)
    assert prompt.startswith(
        "A special magic number is hidden within the following text. Make sure to memorize it. "
        f"I will quiz you about the number afterwards.\nOne of the special magic numbers for {question.query} is: "
        f"{question.gold[0]}. "
    )
    assert prompt.endswith(
        f"\nWhat is the special magic number for {question.query} mentioned in the provided text?"
        f" The special magic number for {question.query} mentioned in the provided text is"
    )


def test_the_wording_of_several_values():
    question = made(NIAH_MULTI, probe_values="uuids", probe_needles=3).questions[0]
    first, second, third = question.query.replace(", and", ",").split(", ")
    assert question.text == (
        f"What are all the special magic uuids for {first}, {second}, and {third} mentioned in the provided text?"
    )
    assert question.kind == "integration" and len(question.gold) == len(question.gold_depths) == 3
    one_key = made(NIAH_MULTI, probe_variant="multivalue").questions[0]
    assert "," not in one_key.query and len(set(one_key.gold)) == 4


def test_one_of_several_keys():
    prompts = made(NIAH_MULTI, probe_variant="multikey")
    assert {question.kind for question in prompts.questions} == {"fine_grained"}
    assert Counter(question.context for question in prompts.questions) == dict.fromkeys(range(15), 4)
    for question in prompts.questions:
        assert question.other in prompts.prompt(question) and question.other not in question.gold


@pytest.mark.parametrize(("probe", "options"), VARIANTS)
def test_baselines_find_nothing(probe, options):
    for question in made(probe, **options).questions:
        assert probe.score(question.gold, question.query) == probe.score(question.gold, question.other) == 0
        assert probe.score(question.gold, " and ".join(question.gold).upper()) == 1


def test_the_score_is_the_mean_over_values():
    """RULER, scripts/eval/synthetic/constants.py: per value 1 if it is in the answer, in any case; then the mean."""
    answers = ["", "1234567", "7654321, 1234567.", "ab-CD and 1234567", "12345678"]
    gold = [("1234567",), ("1234567", "7654321"), ("AB-cd", "1234567", "7654321", "1111111")]
    for values in gold:
        for answer in answers:
            wanted = [1.0 if answer.casefold().find(value.casefold()) >= 0 else 0.0 for value in values]
            assert found_share(values, answer) == pytest.approx(sum(wanted) / len(wanted))


def test_the_digest_does_not_depend_on_the_tokenizer():
    def digest(width=4, **options):
        return made(NIAH_SINGLE, Words(width), **options).digest()

    assert digest() == digest(width=6)
    others = [digest(probe_seed=1), digest(probe_length=1_100), digest(probe_depths=6), digest(probe_values="uuids")]
    assert len({digest(), *others, digest(probe_haystack="noise"), digest(probe_answer_prefix=True)}) == 7


@pytest.mark.parametrize("name", ["essays.json", "essays.txt"])
def test_a_haystack_of_your_own(tmp_path, name):
    text = "The ferry  leaves at noon.\nNobody waits for it. Gulls do."
    file = tmp_path / name
    file.write_text(text if name.endswith("txt") else f'{{"text": "{text}"}}'.replace("\n", "\\n"))
    prompts = made(NIAH_SINGLE, probe_haystack=str(file))
    sentences = ["The ferry leaves at noon.", "Nobody waits for it.", "Gulls do."]
    starts = set()
    for haystack in prompts.haystacks:
        start = sentences.index(haystack.units[0])
        starts.add(start)
        assert haystack.units[:4] == tuple((sentences * 3)[start : start + 4])
    assert starts == {0, 1, 2}


@pytest.mark.parametrize("content", [None, " ", "[1]", '{"text": 3}', '{"txt": "a"}'])
def test_a_file_without_text_is_refused(tmp_path, content):
    file = tmp_path / "essays.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ProbeError, match=r"probe_haystack .*essays\.json: .*`noise`"):
        made(NIAH_SINGLE, probe_haystack=str(file))


@pytest.mark.parametrize(
    ("probe", "options", "message"),
    [
        (NIAH_SINGLE, {"probe_neeedles": 2}, "niah_single: unknown key `probe_neeedles`"),
        (NIAH_MULTI, {"probe_neeedles": 2}, "niah_multi: unknown key `probe_neeedles`; did you mean `probe_needles`?"),
        (NIAH_MULTI, {"probe_needles": 6}, "niah_multi: .*probe_needles=6 is more than probe_depths=5"),
        (NIAH_SINGLE, {"probe_length": 256, "probe_values": "uuids"}, None),
        (NIAH_SINGLE, {"probe_depths": 200}, "probe_length=1000 holds only .* sentences, fewer than probe_depths=200"),
        (NIAH_SINGLE, {"probe_questions": 100_000}, "100,000 keys are needed, but only .*; lower probe_questions"),
    ],
)
def test_mistakes_are_named(probe, options, message):
    with pytest.raises(
        (ConfigError, ProbeError), match=message or "probe_length=256 does not hold one sentence beside"
    ):
        made(probe, Words(width=1), **options)
