"""Dealing over a few hundred passages: shares follow the weights, and the passage alone decides."""

from collections import Counter

import numpy as np
import pytest

from in2_plugin.config import Lengths
from in2_plugin.questions import Kind, Question
from in2_plugin.questions.collection import passages
from in2_plugin.questions.extractive.dealing import deal
from in2_plugin.questions.extractive.quoting import Excerpt
from in2_plugin.questions.extractive.registry import FORMS, Direction, TextStyle
from in2_plugin.questions.extractive.writer import ExtractiveWriter

BY_NAME = {form.name: form for form in FORMS}
PROSE_ALONE = {"code": 0, "structured": 0}
PROSE = "The harbour master of the small northern town kept a daily log of every ship that entered the bay."
CODE = "def first(values):\n    for value in values:\n        return value\n    raise ValueError(values)\n"


def shares(questions: list[Question], what: str) -> dict[str, float]:
    counts = Counter(getattr(BY_NAME[question.form], what) for question in questions)
    return {name: count / len(questions) for name, count in counts.items()}


@pytest.fixture(scope="module")
def sample(store):
    """Return 600 passages per kind."""
    lengths = Lengths(min=2_048, max=4_096)
    sources = {kind: passages(store, kind, lengths, np.random.default_rng(0)) for kind in Kind}
    return {kind: [next(source) for _ in range(600 if kind is Kind.FINE_GRAINED else 150)] for kind, source in
            sources.items()}  # fmt: skip


def written(sample, kind, weights):
    results = ExtractiveWriter(0, weights).write(sample[kind], int)
    return [result for result in results if isinstance(result, Question)]


@pytest.mark.parametrize(
    ("kind", "weights", "error"), [(Kind.FINE_GRAINED, PROSE_ALONE, 0.06), (Kind.FINE_GRAINED, {}, 0.06),
                                   (Kind.INTEGRATION, PROSE_ALONE, 0.12)]
)  # fmt: skip
def test_with_equal_weights_each_direction_gets_a_third(sample, kind, weights, error):
    found = shares(written(sample, kind, weights), "direction")
    assert found == {direction: pytest.approx(1 / 3, abs=error) for direction in Direction}


def test_weights_change_the_shares(sample):
    found = shares(written(sample, Kind.FINE_GRAINED, {"backward": 4, "both": 0, "code": 0}), "direction")
    assert found == {"backward": pytest.approx(0.8, abs=0.06), "forward": pytest.approx(0.2, abs=0.06)}
    found = written(sample, Kind.FINE_GRAINED, {"backward": 0, "both": 0, "words_after": 0, **PROSE_ALONE})
    assert {question.form for question in found} == {"next_sentence"}


def test_most_answers_are_short(sample):
    questions = written(sample, Kind.FINE_GRAINED, PROSE_ALONE)
    units = [len(question.answer.split()) for question in questions]
    assert np.mean([4 <= n <= 12 for n in units]) > 0.55
    assert max(units) <= 30


def test_a_passage_is_dealt_the_styles_that_it_has():
    rng = np.random.default_rng(0)
    for texts, styles in (
        ([PROSE], {TextStyle.PROSE}),
        ([CODE], {TextStyle.CODE}),
        ([PROSE, CODE], {TextStyle.PROSE, TextStyle.CODE}),
    ):
        forms = list(deal(Excerpt.of(texts), Kind.FINE_GRAINED, {}, rng))
        assert {form.style for form in forms} == styles
        assert [form.direction for form in forms] == sorted(
            (form.direction for form in forms), key=[form.direction for form in forms].index
        ), "forms of the direction that was dealt first come first"


def test_styles_of_a_passage_take_turns():
    excerpt = Excerpt.of([PROSE, CODE])
    first = Counter(
        next(deal(excerpt, Kind.FINE_GRAINED, {}, np.random.default_rng(seed))).style for seed in range(300)
    )
    assert first[TextStyle.CODE] == pytest.approx(150, abs=40)
