"""Check each form about structured text against a second, simpler reading of its tables, lists and entries."""

import pytest

from in2_plugin.questions.extractive.quoting import Excerpt, is_rare
from in2_plugin.questions.extractive.registry import FORMS, RECOGNIZERS, TextStyle
from in2_plugin.questions.question import Kind
from tests.support.extractive_forms import flat
from tests.support.styled_texts import CHINESE, MARKDOWN, PYTHON, TEXTS, drafts, excerpts_of, quotations

STRUCTURED = {
    form.name: form for form in FORMS if form.style is TextStyle.STRUCTURED and form.kind is Kind.FINE_GRAINED
}


@pytest.fixture(scope="module")
def written():
    """Questions of each form about Markdown pages and small texts, with their excerpts."""
    excerpts = [*excerpts_of(*MARKDOWN), *(Excerpt.of([text]) for text in TEXTS.values())]
    found = {name: drafts(form, excerpts) for name, form in STRUCTURED.items()}
    assert all(len(of_form) >= 5 for of_form in found.values()), {name: len(each) for name, each in found.items()}
    return found


def lines_of(excerpt: Excerpt) -> list[str]:
    return [flat(line).strip("| ") for line in excerpt.texts[0].split("\n")]


def test_quotations_and_answers_occur_once_and_are_kept_out_of_fillers(written):
    for excerpt, draft in (one for each in written.values() for one in each):
        text = flat(excerpt.texts[0]).casefold()
        assert text.count(draft.answer.casefold()) == 1, draft
        exclusive = [flat(each) for each in draft.exclusive]
        quoted = [each for each in quotations(draft.question) if each in exclusive]
        assert quoted and all(text.count(each.casefold()) == 1 for each in quoted), draft
        assert any(each in draft.answer for each in exclusive), draft


def test_a_padded_text_is_asked_about_once_and_kept_out_of_fillers_however_it_is_padded():
    rule = "=========  =========  ====="
    table = f"\n{rule}\nport-bell  pier-five  red\nport-lamp  pier-nine  blue\n{rule}\n"
    (draft, *_) = [draft for _, draft in drafts(STRUCTURED["row_end"], [Excerpt.of([table])], 20)]
    assert {draft.answer, draft.answer.replace(" ", "  ")} <= set(draft.exclusive)
    twice = f"{table}\nThe pier-five red of the town."
    answers = {draft.answer for _, draft in drafts(STRUCTURED["row_end"], [Excerpt.of([twice])], 20)}
    assert answers == {"pier-nine blue"}


def test_answers_are_rare(written):
    assert all(is_rare(draft.answer) for each in written.values() for _, draft in each)


def test_rows_are_completed(written):
    for excerpt, draft in written["row_end"]:
        (start,) = quotations(draft.question)
        assert any(line.startswith(start) and line.endswith(draft.answer) for line in lines_of(excerpt))
    for excerpt, draft in written["row_start"]:
        (end,) = quotations(draft.question)
        assert any(line.endswith(end) and line.startswith(draft.answer) for line in lines_of(excerpt))
    for excerpt, draft in written["row_with"]:
        assert draft.answer in lines_of(excerpt)


def test_cells_are_in_the_row_and_on_the_side_that_the_form_says(written):
    for name in ("cell_after", "cell_before"):
        for excerpt, draft in written[name]:
            quoted = quotations(draft.question)[-1]
            (line,) = [line for line in lines_of(excerpt) if quoted in line]
            assert (line.index(quoted) < line.index(draft.answer)) == (name == "cell_after")


def test_cells_have_the_name_of_their_column():
    asked = {draft.question: draft.answer for _, draft in drafts(STRUCTURED["cell_after"], [Excerpt.of([CHINESE])], 30)}
    assert asked['What is in the column "部门" of the row with "张洋洋"?'] == "市场营销部"


def test_neighbouring_rows(written):
    for name, step in (("next_row", 1), ("previous_row", -1)):
        for excerpt, draft in written[name]:
            quoted = quotations(draft.question)[-1]
            rows = [line for line in lines_of(excerpt) if line and not set(line) <= set("+-=| ")]
            (at,) = [n for n, line in enumerate(rows) if quoted in line]
            assert rows[at + step] == draft.answer


def test_neighbouring_items(written):
    for name, step in (("next_item", 1), ("previous_item", -1)):
        for excerpt, draft in written[name]:
            (quoted,), lines = quotations(draft.question), lines_of(excerpt)
            (at,) = [n for n, line in enumerate(lines) if quoted in line]
            assert lines[at + step].endswith(draft.answer)


def test_entries(written):
    for excerpt, draft in written["value_of_key"]:
        (head,) = quotations(draft.question)
        assert flat(excerpt.texts[0]).split(head)[1].lstrip(" \"'").startswith(draft.answer)
    for excerpt, draft in written["key_of_value"]:
        (part,) = quotations(draft.question)
        (line,) = [line for line in lines_of(excerpt) if part in line]
        assert line.index(draft.answer) < line.index(part)


def test_digits_and_common_words_are_never_asked_for():
    """An answer of one digit would exclude every filler with that digit."""
    table = "| name | size | state |\n|---|---|---|\n" + "".join(f"| disk-{i:02} | {i} | ready |\n" for i in range(5))
    found = [draft for form in STRUCTURED.values() for _, draft in drafts(form, [Excerpt.of([table])], 20)]
    assert {"disk-01 | 1 | ready", "disk-02 | 2 | ready"} <= {draft.answer for draft in found}
    assert all(len(draft.answer) >= 6 and draft.answer != "ready" for draft in found)


@pytest.mark.parametrize("name", TEXTS)
def test_every_small_text_has_structure(name):
    assert RECOGNIZERS[TextStyle.STRUCTURED](Excerpt.of([TEXTS[name]]))


def test_prose_has_none_and_code_hardly_any():
    assert not RECOGNIZERS[TextStyle.STRUCTURED](Excerpt.of(["The harbour master kept a daily log: it was long."]))
    excerpts = excerpts_of(*PYTHON)  # annotated fields and lists in docstrings are structured
    assert sum(RECOGNIZERS[TextStyle.STRUCTURED](excerpt) for excerpt in excerpts) < 0.22 * len(excerpts)
