"""Every rule of the bundled items, checked on every item; and reading the published layout."""

import gzip
import json
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.items import BUNDLED, read_items
from in2_plugin.probing.probes.registry import PROBES
from tests.support import ROOT

SCRIPTS = ROOT / "scripts"


def rows(name: str) -> list[dict[str, str]]:
    with gzip.open(BUNDLED / f"{PROBES[name].file}.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def unique(texts) -> bool:
    return max(Counter(texts).values()) == 1


def test_sentences_have_17_to_31_words_and_one_dot_at_the_end():
    sentences = [row["sentence"] for row in rows("document")]
    assert len(sentences) == 5_000 and unique(sentences)
    assert {len(text.split()) for text in sentences} <= set(range(17, 32))
    assert all(text.endswith(".") and text.count(".") == 1 and text[0].isupper() for text in sentences)
    assert not any("<" in text or "|" in text or "  " in text for text in sentences)


def test_pieces_are_eight_words_in_one_sentence_only():
    found = rows("document")
    everything = "\n".join(row["sentence"] for row in found)
    for row in found:
        assert len(row["piece"].split()) == 8
        assert f" {row['piece']} " in f" {row['sentence'][:-1]} "
        assert everything.count(row["piece"]) == 1


def test_starts_of_pieces_are_uniform():
    """Relative starts in ten equal bins; 500 are expected in each, and 27.9 is the 0.1% point of chi-square(9)."""
    bins = Counter()
    for row in rows("document"):
        words, piece = row["sentence"][:-1].split(), row["piece"].split()
        starts = len(words) - 7
        start = next(i for i in range(starts) if words[i : i + 8] == piece)
        # the middle of the start's own cell, in tenths; cells across a border make this slightly uneven
        bins[int((start + 0.5) * 10 / starts)] += 1
    expected = Counter()
    for row in rows("document"):
        starts = len(row["sentence"].split()) - 7
        for start in range(starts):
            expected[int((start + 0.5) * 10 / starts)] += 1 / starts
    assert sum((bins[i] - expected[i]) ** 2 / expected[i] for i in range(10)) < 27.9


def test_sentences_are_varied():
    """No eight words twice, and no four first words more often than once in fifty sentences."""
    sentences = [row["sentence"][:-1].split() for row in rows("document")]
    assert unique(tuple(words[i : i + 8]) for words in sentences for i in range(len(words) - 7))
    assert Counter(tuple(words[:4]) for words in sentences).most_common(1)[0][1] < 100


def test_functions_have_three_lines_and_a_unique_middle():
    found = rows("code")
    assert len(found) == 5_000 and unique(row["function_name"] for row in found)
    lines = [f"def {row['function_name']}:" for row in found]
    for row in found:
        body = row["function_define"].split("\n")
        assert len(body) == 3 and all(line[:4] == "    " and line[4:] == line.strip() for line in body)
        assert all(8 <= len(line.strip()) <= 32 for line in body)
        assert 8 <= len(row["function_name"]) <= 16 and row["function_name"].isidentifier()
        assert row["piece"] == body[1].strip()
        lines += body
    everything = "\n".join(lines)
    assert all(everything.count(row["piece"]) == 1 for row in found)


def test_entities_have_3_to_8_words_and_ids_that_begin_no_other():
    found = rows("database")
    assert len(found) == 5_000
    for field in ("id", "label", "dcpt"):
        assert unique(row[field] for row in found)
    for row in found:
        assert all(3 <= len(row[field].split()) <= 8 for field in ("label", "dcpt"))
        assert not set('[]"<>') & set("".join(row.values()))
    ids = sorted(row["id"] for row in found)
    assert not any(later.startswith(earlier) for earlier, later in pairwise(ids))


def test_files_are_small():
    assert sum(path.stat().st_size for path in BUNDLED.glob("*.gz")) < 1_000_000


def test_the_script_makes_what_is_committed(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    sys.modules.pop("make_probe_items", None)
    from make_probe_items import make_items

    made = make_items()
    assert {probe.file: rows(probe.name) for probe in PROBES.values()} == made


def write(folder: Path, name: str, *lines: str) -> Path:
    (folder / PROBES[name].file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def test_published_items_are_filtered_like_the_published_sets(tmp_path):
    entities = (
        {"id": "Q1", "label": '[A "quoted" label here.]', "dcpt": "star in the sky"},
        {"id": "Q2", "label": "Too short", "dcpt": "star in the sky"},
        {"id": "Q3", "label": "a b c d e f g h i", "dcpt": "star in the sky"},
    )
    (item,) = read_items(PROBES["database"], write(tmp_path, "database", *map(json.dumps, entities)))
    assert item.text == "<id: Q1, label: A quoted label here., description: star in the sky>"
    assert item.gold == ("A quoted label here.", "star in the sky") and item.query == "Q1"


def test_items_are_formatted_as_published(tmp_path):
    function = {"function_name": "play_all", "function_define": "    a = 1\n    b = a\n    return b", "piece": "b = a"}
    (item,) = read_items(PROBES["code"], write(tmp_path, "code", json.dumps(function), ""))
    assert item.text == "def play_all:\n    a = 1\n    b = a\n    return b" and item.gold == ("play_all",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"sentence": "a"}', "row 2: field 'piece' is missing"),
        ("{", "row 2: cannot be read"),
        ("[1]", "row 2: cannot be read"),
    ],
)
def test_damaged_rows_are_named(tmp_path, line, message):
    folder = write(tmp_path, "document", '{"sentence": "a b c.", "piece": "a b"}', line)
    with pytest.raises(ProbeError, match=rf"document_sentences\.jsonl, {message}"):
        read_items(PROBES["document"], folder)


def test_missing_and_empty_files_are_named(tmp_path):
    with pytest.raises(ProbeError, match=r"has no code_functions\.jsonl; set `probe_pieces`"):
        read_items(PROBES["code"], tmp_path)
    with pytest.raises(ProbeError, match="has no items for the code probe"):
        read_items(PROBES["code"], write(tmp_path, "code"))
