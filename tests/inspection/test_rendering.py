from dataclasses import replace

import numpy as np
import pytest

from in2_plugin.dataset.tables import read_rows
from in2_plugin.examples.rendering import IGNORED
from in2_plugin.inspection.rendering import CHAT, GOLD, IDS, LENGTH, MASK, rendering_figures, runs


class Altered:
    """A renderer whose results are altered on the way."""

    def __init__(self, renderer, change):
        self._renderer, self._change, self.template = renderer, change, renderer.template

    def render(self, *said):
        return self._change(self._renderer.render(*said))

    def text(self, *said):
        return self._renderer.text(*said)

    def messages(self, *said):
        return self._renderer.messages(*said)


@pytest.fixture(scope="module")
def sample(built):
    return list(enumerate(read_rows(built / "examples.parquet")))[:20]


@pytest.fixture
def failing(dataset, mistral, sample):
    """Names of the failing figures, when what is rendered is altered."""

    def look(change):
        figures = rendering_figures(sample, Altered(dataset.renderer, change), mistral)
        return {figure.name: figure.detail for figure in figures if not figure.passed}

    return look


def test_what_is_rendered_is_right(failing):
    assert failing(lambda rendered: rendered) == {}


def test_another_token_is_other_ids(failing):
    def change(rendered):
        ids = rendered.input_ids.copy()
        ids[5] += 1
        return replace(rendered, input_ids=ids)

    assert set(failing(change)) == {IDS}


def test_a_token_more_is_another_length(failing):
    def change(rendered):
        return replace(rendered, input_ids=np.append(rendered.input_ids, 7))

    found = failing(change)
    assert set(found) == {LENGTH, IDS}
    assert "tokens, planned with" in found[LENGTH]


def test_golds_are_held_against_their_ranges(failing):
    def change(rendered):
        return replace(rendered, segments=rendered.segments + 1)

    assert set(failing(change)) == {GOLD}


@pytest.mark.parametrize(
    ("start", "stop", "said"),
    [
        (-1, -1, "is supervised instead of"),
        (0, -1, "answer tokens, planned with"),
        (1, 0, "answer tokens, planned with"),
    ],
)
def test_a_mask_beside_the_answer_is_found(failing, start, stop, said):
    def change(rendered):
        return replace(rendered, answers=tuple((a + start, b + stop) for a, b in rendered.answers))

    found = failing(change)
    assert set(found) == {MASK}
    assert said in found[MASK]


def test_two_stretches_for_one_answer_are_found(failing):
    def change(rendered):
        ((start, stop),) = rendered.answers
        return replace(rendered, answers=((start, stop), (3, 9)))

    assert set(failing(change)) == {MASK}


def test_a_text_that_the_chat_template_would_not_give_is_found(dataset, mistral, sample):
    class Trimming(Altered):
        def messages(self, *said):
            first, *rest = super().messages(*said)
            return [{**first, "content": first["content"].strip() + "!"}, *rest]

    figures = rendering_figures(sample, Trimming(dataset.renderer, lambda rendered: rendered), mistral)
    assert [figure.name for figure in figures if not figure.passed] == [CHAT]


def test_runs_are_the_stretches_with_loss():
    x = IGNORED
    assert runs(np.array([x, 1, 2, x, x, 3, x])) == [(1, 3), (5, 6)]
    assert runs(np.array([1, x, 2])) == [(0, 1), (2, 3)]
    assert runs(np.array([x, x])) == []
