"""The wording of all forms, and of the writer of records, is none of a probe's; nor are its items and their format."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from in2_plugin.probing.position import litm_kv, litm_qa, niah_text, nolima_files
from in2_plugin.probing.probes.builtin import BUILTIN
from in2_plugin.probing.probes.items import read_items
from in2_plugin.questions.extractive.quoting import Excerpt
from in2_plugin.questions.extractive.registry import FORMS, RECOGNIZERS, Direction, TextStyle
from in2_plugin.questions.question import Kind
from in2_plugin.questions.records import wording
from tests.support.styled_texts import CHINESE, CSV, GRID, MARKDOWN, MARKED, PYTHON, REFERENCE, drafts, segments_of

COMMON_WORDS = 4
"""Words in a row that a question may share with a question of a probe: "of the line that"."""
POSITION_WORDING = [
    text
    for module in (litm_kv, litm_qa, niah_text, nolima_files)
    for name, text in vars(module).items()
    if name.isupper() and isinstance(text, str) and " " in text
]
"""What the position probes ask and say in their prompts; the questions of `litm_qa` and `nolima` are not shipped."""
ITEM_FORMATS = re.compile(r"<id: .*, label: |^def \w+:$", re.MULTILINE)


@pytest.fixture(scope="module")
def written(documents):
    """Questions of every form."""
    texts = [path.read_text(encoding="utf-8") for path in (*MARKDOWN, *PYTHON[:12])]
    texts += [CHINESE, CSV, GRID, REFERENCE, *(document.text for document in documents[:12])]
    cut = [segments_of(text) for text in texts]
    excerpts = {
        Kind.INTEGRATION: [Excerpt.of(segments) for segments in cut],
        Kind.FINE_GRAINED: [Excerpt.of([segment]) for segments in cut for segment in segments],
    }
    return {form.name: [draft for _, draft in drafts(form, excerpts[form.kind])] for form in FORMS}


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def runs(text: str, length: int) -> set[tuple[str, ...]]:
    words = words_of(text)
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def templates(written) -> Iterator[str]:
    for found in written.values():
        yield from {MARKED.sub("{}", draft.question) for draft in found}
    for words in (wording.ONE, wording.TWO):
        yield from (text for texts in words.values() for text in texts)


def test_every_style_has_a_recognizer():
    assert {form.style for form in FORMS} == set(RECOGNIZERS) == set(TextStyle)


def test_a_name_means_one_thing_in_a_build_file():
    names = [form.name for form in FORMS] + [*TextStyle, *Direction]
    assert len(names) == len(set(names))


def test_every_direction_of_prose_has_a_form_and_backward_has_several():
    for kind in Kind:
        of_prose = Counter(form.direction for form in FORMS if form.kind is kind and form.style is TextStyle.PROSE)
        assert set(of_prose) == set(Direction)
    assert sum(form.direction is Direction.BACKWARD and form.style is TextStyle.PROSE for form in FORMS) > 3


def test_no_question_repeats_the_wording_of_a_probe(written):
    assert all(written.values()), [name for name, found in written.items() if not found]
    wordings = [*(probe.question for probe in BUILTIN), *POSITION_WORDING]
    theirs = set().union(*(runs(text, COMMON_WORDS + 1) for text in wordings))
    repeated = {text: runs(text, COMMON_WORDS + 1) & theirs for text in templates(written)}
    assert len(repeated) > 60
    assert not {text: both for text, both in repeated.items() if both}


def test_the_wording_of_every_probe_is_compared():
    parts = (
        "magic {kind} for {query}", "What are all the", "corresponding to the specified key", "Corresponding value",
        "using only the provided search results", "Question: {}", "based on the following book snippet",
    )  # fmt: skip
    assert all(any(part in text for text in POSITION_WORDING) for part in parts)


def test_no_answer_is_an_item_of_a_probe_or_has_its_format(written):
    items = {text for probe in BUILTIN for item in read_items(probe) for text in (item.text, item.query)}
    for draft in (draft for found in written.values() for draft in found):
        assert not ITEM_FORMATS.search(f"{draft.question}\n{draft.answer}"), draft
        assert items.isdisjoint((draft.answer, *draft.exclusive)), draft
