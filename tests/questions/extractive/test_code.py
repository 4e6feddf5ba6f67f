"""Check each form about code against the lines of its text and of the whole source."""

import re

import pytest

from in2_plugin.questions.extractive.quoting import Excerpt
from in2_plugin.questions.extractive.registry import FORMS, RECOGNIZERS, TextStyle
from in2_plugin.questions.question import Kind
from tests.support.extractive_forms import flat
from tests.support.styled_texts import CSV, PYTHON, REFERENCE, drafts, excerpts_of, quotations

CODE = {form.name: form for form in FORMS if form.style is TextStyle.CODE and form.kind is Kind.FINE_GRAINED}
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in PYTHON)
HEADER = re.compile(r"(?:async def|def|class) (\w+)")
LINES = [line.strip() for line in SOURCE.split("\n")]


@pytest.fixture(scope="module")
def written():
    """Questions of each form about Python sources, at least twenty, with their excerpts."""
    excerpts = excerpts_of(*PYTHON)
    found = {name: drafts(form, excerpts, 1) for name, form in CODE.items()}
    assert all(len(of_form) >= 20 for of_form in found.values()), {name: len(each) for name, each in found.items()}
    return found


def lines_of(excerpt: Excerpt) -> list[str]:
    return [line.strip() for line in excerpt.texts[0].split("\n")]


def test_quotations_and_answers_occur_once_and_are_kept_out_of_fillers(written):
    for excerpt, draft in (one for each in written.values() for one in each):
        assert all(excerpt.has_once(text) for text in (*quotations(draft.question), draft.answer)), draft
        assert all(text in draft.exclusive for text in quotations(draft.question)), draft
        assert any(text in draft.answer for text in draft.exclusive), draft


def test_neighbouring_lines(written):
    for name, step in (("next_line", 1), ("previous_line", -1)):
        for excerpt, draft in written[name]:
            (quoted,), lines = quotations(draft.question), lines_of(excerpt)
            assert lines[lines.index(quoted) + step] == draft.answer


def test_line_with(written):
    for excerpt, draft in written["line_with"]:
        (part,) = quotations(draft.question)
        assert draft.answer in lines_of(excerpt)
        assert part in draft.answer[1:-1] or draft.answer.endswith(part)


def test_lines_between(written):
    for excerpt, draft in written["lines_between"]:
        (first, last), lines = quotations(draft.question), lines_of(excerpt)
        between = lines[lines.index(first) + 1 : lines.index(last)]
        assert flat(draft.answer) == flat(" ".join(between))


def test_definition_around(written):
    for _, draft in written["definition_around"]:
        (line,) = quotations(draft.question)
        if LINES.count(line) == 1:
            headers = map(HEADER.match, LINES[: LINES.index(line)])
            assert draft.answer in [header[1] for header in headers if header]  # the innermost: see test_code_lines.py


def test_signatures(written):
    for _, draft in written["signature_of"]:
        (opening,) = quotations(draft.question)
        assert f"def {opening}{draft.answer}:" in SOURCE, draft
    for _, draft in written["name_of_signature"]:
        (signature,) = quotations(draft.question)
        assert f"def {draft.answer}{signature}:" in SOURCE, draft


def test_assignments(written):
    for excerpt, draft in written["assigned_value"]:
        (target,) = quotations(draft.question)
        assert f"{target} {draft.answer}" in excerpt.texts[0]
    for excerpt, draft in written["assigned_name"]:
        (value,) = quotations(draft.question)
        assert any(line.startswith(draft.answer) and line.endswith(value) for line in lines_of(excerpt))


def test_a_reference_can_be_asked_for_signatures():
    excerpt = Excerpt.of([REFERENCE])
    assert {draft.answer for _, draft in drafts(CODE["name_of_signature"], [excerpt], 30)} == {
        "os.writev", "smtpd.PureProxy",
    }  # fmt: skip


def test_prose_and_data_are_not_code():
    texts = (CSV, "The harbour master kept a daily log. It was long.", "语言模型在处理很长的输入时，往往只注意开头。")
    assert not any(RECOGNIZERS[TextStyle.CODE](Excerpt.of([text])) for text in texts)
