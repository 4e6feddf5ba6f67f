"""Whatever a file holds, `in2 doctor` gives findings and `in2 status` one sentence: never a traceback or a crash."""

import random

import pytest

from in2_plugin.dataset.tables import EXAMPLES, QUESTIONS
from in2_plugin.errors import In2Error
from in2_plugin.inspection.doctor.run import examine
from in2_plugin.inspection.status import read_status
from tests.support.damages import arrow_offset, example, keys, question, whole, without_column

JSON_FILES = ("build.json", "manifest.json", "segments/store.json", "plans/facts.json")
FILES = (
    *JSON_FILES, "README.md", "questions.parquet", "rejected.parquet", "examples.parquet", "work.sqlite",
    "instructions.parquet", "segments/exclusions.parquet",
    "segments/segments.arrow", "segments/documents.arrow", "segments/ids.bin", "segments/offsets.bin",
    "plans/lengths.bin", "plans/examples.bin", "plans/segments.bin", "plans/tails.bin", "plans/answers.bin",
)  # fmt: skip
SEEDS = 3
"""Each takes most of a second, to load the tokenizer."""


def look(folder):
    """Both commands; whatever they raise besides our errors fails the test."""
    try:
        read_status(folder)
    except In2Error as error:
        assert "\n" not in str(error)
    return examine(folder)


@pytest.mark.parametrize("content", ["[]", "null", "3", '"x"', "{}", "", "[" * 100_000, "\udcff"])
@pytest.mark.parametrize("name", JSON_FILES)
def test_a_json_file_may_hold_anything(folder, name, content):
    (folder / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert not look(folder).is_sound


@pytest.mark.parametrize(
    "damage",
    [
        keys("build.json", questions=None),
        keys("build.json", questions=[1], mixture=[1]),
        keys("build.json", questions={"verify": "x", "endpoint": {"prices": 3, "answer_format": 7}}),
        keys("build.json", lengths=None),
        keys("manifest.json", counts=None),
        keys("manifest.json", counts={"examples": "x"}),
        keys("manifest.json", examples="x"),
        keys("manifest.json", tokenizer=3),
        keys("segments/store.json", id_type="x"),
        keys("segments/store.json", id_type="float64"),
        keys("segments/store.json", segments="x"),
        keys("segments/store.json", joining="by hand"),
        without_column("questions", "kind"),
        without_column("examples", "turns"),
        whole("examples.parquet", ""),
        *(question(**{name: None}) for name in QUESTIONS.names),
        *(example(**{name: None}) for name in EXAMPLES.names),
    ],
)
def test_a_value_may_be_of_another_type(folder, damage):
    damage(folder)
    assert not look(folder).is_sound


@pytest.mark.parametrize("name", FILES[4:])
def test_a_file_may_be_a_folder(folder, name):
    (folder / name).unlink()
    (folder / name).mkdir()
    assert not look(folder).is_sound


def test_nothing_opens_a_table_that_would_end_the_process(folder):
    arrow_offset(folder)
    left_out = dict(look(folder).left_out)
    opened = {"segments", "token ids", "documents", "screening", "questions", "examples", "plans", "rendering"}
    assert left_out == dict.fromkeys(opened, "segments/segments.arrow is damaged")


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_random_damage(folder, name):
    content = (folder / name).read_bytes()
    for seed in range(SEEDS):
        rng = random.Random(f"{name} {seed}")
        damaged = bytearray(content)
        # the ends of a file are what says how to read the rest
        start = rng.choice([0, max(0, len(content) - 2_500), rng.randrange(len(content))])
        at = rng.randrange(start, min(len(content), start + 2_500))
        damaged[at : at + rng.choice([1, 8, 400])] = rng.choice([rng.randbytes(8), b"", bytes(400)])
        (folder / name).unlink()
        (folder / name).write_bytes(damaged)
        look(folder)
