import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from in2_plugin.dataset.tables import read_rows
from in2_plugin.examples.rendering import IGNORED, Renderer
from in2_plugin.inspection.plans import TRAINERS
from in2_plugin.inspection.rendering import CHAT, GOLD, IDS, LENGTH, MASK, UNKNOWN, rendering_figures, runs
from tests.support.audits import audited
from tests.support.broken_datasets import BROKEN, assert_audit_fails


class Altered:
    """A renderer with altered results."""

    def __init__(self, renderer, change):
        self._renderer, self._change, self.template = renderer, change, renderer.template

    def render(self, *arguments):
        return self._change(self._renderer.render(*arguments))

    def text(self, *arguments):
        return self._renderer.text(*arguments)

    def messages(self, *arguments):
        return self._renderer.messages(*arguments)


@pytest.fixture
def copy(built, tmp_path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "in2"))


@pytest.fixture(scope="module")
def sample(built):
    return list(enumerate(read_rows(built / "examples.parquet")))[:20]


@pytest.fixture
def failing(dataset, mistral, sample):
    """Failing figures and their details for altered renderings."""

    def figures_of(change):
        figures = rendering_figures(sample, Altered(dataset.renderer, change), mistral)
        return {figure.name: figure.detail for figure in figures if not figure.passed}

    return figures_of


def test_a_correct_rendering_passes(failing):
    assert failing(lambda rendered: rendered) == {}


def test_a_changed_token_fails_the_ids(failing):
    def change(rendered):
        ids = rendered.input_ids.copy()
        ids[5] += 1
        return replace(rendered, input_ids=ids)

    assert set(failing(change)) == {IDS}


def test_an_extra_token_fails_the_length(failing):
    def change(rendered):
        return replace(rendered, input_ids=np.append(rendered.input_ids, 7))

    found = failing(change)
    assert set(found) == {LENGTH, IDS}
    assert "tokens, planned with" in found[LENGTH]


def test_shifted_segments_fail_the_gold_ranges(failing):
    def change(rendered):
        return replace(rendered, segments=rendered.segments + 1)

    assert set(failing(change)) == {GOLD}


@pytest.mark.parametrize(
    ("start", "stop", "detail"),
    [
        (-1, -1, "is supervised instead of"),
        (0, -1, "answer tokens, planned with"),
        (1, 0, "answer tokens, planned with"),
    ],
)
def test_a_shifted_mask_is_found(failing, start, stop, detail):
    def change(rendered):
        return replace(rendered, answers=tuple((a + start, b + stop) for a, b in rendered.answers))

    found = failing(change)
    assert set(found) == {MASK}
    assert detail in found[MASK]


def test_unknown_tokens_are_found(failing, mistral, monkeypatch):
    monkeypatch.setattr(mistral, "can_spell", lambda answer: False)
    assert "no token for some characters of the answer" in failing(lambda rendered: rendered)[UNKNOWN]
    monkeypatch.undo()

    def change(rendered):
        ids = rendered.input_ids.copy()
        ids[40:80] = mistral.unknown_id
        return replace(rendered, input_ids=ids)

    assert "of the tokens are unknown" in failing(change)[UNKNOWN]


def test_two_supervised_runs_for_one_answer_are_found(failing):
    def change(rendered):
        ((start, stop),) = rendered.answers
        return replace(rendered, answers=((start, stop), (3, 9)))

    assert set(failing(change)) == {MASK}


def test_a_text_that_differs_from_the_chat_template_is_found(dataset, mistral, sample):
    class Trimming(Altered):
        def messages(self, *arguments):
            first, *rest = super().messages(*arguments)
            return [{**first, "content": first["content"].strip() + "!"}, *rest]

    figures = rendering_figures(sample, Trimming(dataset.renderer, lambda rendered: rendered), mistral)
    assert [figure.name for figure in figures if not figure.passed] == [CHAT]


def test_runs_are_the_ranges_with_loss():
    x = IGNORED
    assert runs(np.array([x, 1, 2, x, x, 3, x])) == [(1, 3), (5, 6)]
    assert runs(np.array([1, x, 2])) == [(0, 1), (2, 3)]
    assert runs(np.array([x, x])) == []


@pytest.mark.parametrize("name", BROKEN["rendering"])
def test_a_faulty_example_fails_its_figure(copy, mistral, name):
    assert_audit_fails(copy, mistral, "rendering", name)


class MaskOneTokenEarly(Renderer):
    """Supervises the token before the answer, and not the end of the turn."""

    def render(self, segment_ids, turns):
        rendered = super().render(segment_ids, turns)
        return replace(rendered, answers=tuple((start - 1, stop - 1) for start, stop in rendered.answers))


class TwoMasksForOneTurn(Renderer):
    """Supervises two runs for one answer."""

    def render(self, segment_ids, turns):
        rendered = super().render(segment_ids, turns)
        first = rendered.answers[0]
        return replace(rendered, answers=((first[0] - 1, first[1] - 2), (first[1] - 1, first[1])))


@pytest.mark.parametrize(
    ("renderer", "detail"),
    [(MaskOneTokenEarly, "is supervised instead of"), (TwoMasksForOneTurn, "answer tokens, planned with")],
)
def test_the_audit_reads_the_mask_from_the_labels(copy, mistral, renderer, detail):
    failing = audited(copy, mistral, renderer).failing
    # trainers read the plans, which differ from the altered renderer
    assert [figure.name for figure in failing] == ["sampled masks that are not the answers", TRAINERS]
    assert failing[0].value >= 130
    assert detail in failing[0].detail
