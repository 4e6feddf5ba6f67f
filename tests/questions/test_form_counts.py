"""Questions by style and direction, and styles without a question."""

import pytest

from in2_plugin.config import QuestionsConfig
from in2_plugin.questions.form_counts import form_counts, form_line


def counts(questions, **forms):
    return form_counts(questions, QuestionsConfig.parse({"forms": forms}, "build.yml"))


def test_questions_are_counted_by_style_and_direction():
    found = counts({"words_after": 700, "next_sentence": 500, "words_before": 800, "of another writer": 9})
    assert found["prose"] == {"forward": 1_200, "backward": 800, "both": 0}
    assert form_line(found) == (
        "prose 2,000 (forward 1,200, backward 800, both 0); no questions about code; no questions about structured text"
    )


def test_what_the_build_file_excludes_is_not_missing():
    found = counts({"words_after": 7}, code=0, structured=0, both=0)
    assert form_line(found) == "prose 7 (forward 7, backward 0)"


def test_records_are_a_style_that_a_corpus_cannot_lack():
    found = counts({"record_after": 3, "record_before": 2, "records_before": 1}, code=0, structured=0)
    assert form_line(found) == "records 6 (forward 3, backward 3)"
    found = counts({"record_after": 3, "words_after": 4}, code=0, structured=0, both=0, backward=0)
    assert form_line(found) == "prose 4 (forward 4), records 3 (forward 3)"


@pytest.mark.parametrize("questions", [{}, {"fine_grained": 40}])
def test_questions_of_other_writers_have_no_counts(questions):
    assert counts(questions) == {}
    assert form_line({}) == ""
