"""Needle sets and books in the authors' format, and files that are not."""

from pathlib import Path

import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.position.nolima_files import TEMPLATE, Book, read_nolima
from tests.support import nolima_folder


def test_facts_have_their_arguments(tmp_path):
    facts, books = read_nolima(str(nolima_folder.save(tmp_path / "data")), "needle_set")
    assert [(fact.needle, fact.question) for fact in facts] == [
        ("Last winter {CHAR} mended the roof of the Louvre.", "Who has worked in Paris?"),
        ("Last winter {CHAR} mended the roof of the Prado.", "Who has worked in Madrid?"),
        ("Last winter {CHAR} mended the roof of the Louvre.", "Who has worked in the region of Ile-de-France?"),
        ("Last winter {CHAR} mended the roof of the Prado.", "Who has worked in the region of Castile?"),
        ("The old donkey in the yard had not been fed since noon.", "Which sound was heard?"),
    ]
    assert facts[0].template == TEMPLATE and facts[-1].template.startswith("Snippet: {haystack}")
    assert facts[0].characters == tuple(nolima_folder.CHARACTERS) and facts[-1].answers == ("bray", "Bray")
    assert [len(list(book.lines())) for book in books] == [401, 401]  # with the end of the last line


def test_the_text_of_a_book_is_kept():
    text = "A\n\n\u2028 b\x0cc\x85\n \n"
    assert "\n".join(Book(Path("b.txt"), text).lines()) == text


def test_direct_questions_are_read_where_there_are_no_others(tmp_path):
    first, _ = nolima_folder.needle_set()
    folder = nolima_folder.save(tmp_path, [{**first, "questions": {"direct": "Who was at the {1}?"}}])
    facts, _ = read_nolima(str(folder), "needle_set")
    assert [fact.question for fact in facts] == ["Who was at the Louvre?", "Who was at the Prado?"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "has no questions"),
        ([3], "is not in the authors' format"),
        ([{"id": "1"}], r"is not in the authors' format \(KeyError\('questions'\)\)"),
        ([{**nolima_folder.needle_set()[0], "tests": {"T1": {}}}], r"KeyError\('input_args'\)"),
        (
            [{**nolima_folder.needle_set()[0], "distractors": {}}],
            "id 0901: has `distractors`, which this probe does not",
        ),
    ],
)
def test_other_formats_are_named(tmp_path, entries, message):
    folder = nolima_folder.save(tmp_path, entries)
    with pytest.raises(ProbeError, match=message) as caught:
        read_nolima(str(folder), "needle_set")
    assert str(caught.value).startswith(str(folder / "needlesets/needle_set.json"))


def test_missing_files_are_named(tmp_path):
    folder = nolima_folder.save(tmp_path / "data", n_books=0)
    for data, name, message in (
        (
            folder,
            "needle_set_hard",
            "has no needle_set_hard.json; run data/download_NoLiMa_data.sh in a clone of https",
        ),
        (folder, "needle_set", r"has no haystack/rand_shuffle/\*\.txt; run data/download"),
        (tmp_path / "not there", "needle_set", "there is no such file or folder; run data/download"),
    ):
        with pytest.raises(ProbeError, match=message):
            read_nolima(str(data), name)
    (folder / "haystack/rand_shuffle/book.txt").write_bytes(b"\xff")
    with pytest.raises(ProbeError, match=r"book\.txt: cannot be read .*; download the file again"):
        read_nolima(str(folder), "needle_set")
