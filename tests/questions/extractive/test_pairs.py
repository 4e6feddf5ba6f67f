"""Two look-ups in one answer: each is a fine-grained question about another segment."""

import pytest

from in2_plugin.questions.extractive.pairs import SEPARATOR
from in2_plugin.questions.extractive.quoting import Excerpt
from in2_plugin.questions.extractive.registry import FORMS, TextStyle
from in2_plugin.questions.question import Kind
from tests.support.extractive_forms import flat
from tests.support.styled_texts import MARKDOWN, PYTHON, drafts, segments_of

PAIRS = [form for form in FORMS if form.kind is Kind.INTEGRATION and form.style is not TextStyle.PROSE]


@pytest.mark.parametrize("form", PAIRS, ids=lambda form: form.name)
def test_both_answers_are_in_their_segments_and_occur_once(form):
    paths = PYTHON if form.style is TextStyle.CODE else MARKDOWN
    excerpts = [Excerpt.of(segments_of(path.read_text(encoding="utf-8"))) for path in paths]
    found = drafts(form, [excerpt for excerpt in excerpts if len(excerpt.texts) > 1])
    assert len(found) >= 2  # in the documentation of this project, which changes
    for excerpt, draft in found:
        assert len(set(draft.segments)) == 2
        answers = draft.exclusive[-2:]
        assert draft.answer == SEPARATOR.join(answers)
        for segment, answer in zip(draft.segments, answers, strict=True):
            assert flat(answer) in flat(excerpt.texts[segment])
        assert all(
            flat("\n".join(excerpt.texts)).casefold().count(flat(text).casefold()) == 1 for text in draft.exclusive
        )
