"""Gold rows have the gold segments alone and the answers of their examples; rows of other examples are refused."""

import json
import pickle
import shutil

import numpy as np
import pytest

from in2_plugin import layout
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.reader import IN2Dataset, turns_of
from in2_plugin.errors import DatasetError
from in2_plugin.teaching import rows as rows_module
from in2_plugin.teaching.rows import ExamplesIdentity, GoldOnlyRows, gold_segments, write_gold_rows
from tests.support.taught import taught_dataset, teacher_folder


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(str(teacher_folder()))


@pytest.fixture(scope="module")
def four_parts(tmp_path_factory, tokenizer):
    return IN2Dataset(taught_dataset(tmp_path_factory.mktemp("rows")), tokenizer)


@pytest.fixture(scope="module")
def rows(four_parts):
    return write_gold_rows(four_parts)


def answers_of(dataset, number):
    ids, _ = dataset.plans.assemble(number)
    return [ids[start:stop].tolist() for start, stop, _ in dataset.plans.answers(number).tolist()]


def test_answers_are_those_of_the_examples(four_parts, rows):
    assert len(rows) == len(four_parts)
    for number in range(len(rows)):
        assert [row.ids[row.answer].tolist() for row in rows.of(number)] == answers_of(four_parts, number)
        assert all(row.answer.stop == len(row.ids) for row in rows.of(number))


def test_a_row_reads_like_an_example_of_its_gold_segments(four_parts, rows, tokenizer):
    for number, row in enumerate(four_parts.rows()):
        for turn, said, gold in zip(row["turns"], turns_of(row), rows.of(number), strict=True):
            if row["segment_ids"]:
                text = four_parts.renderer.text(gold_segments(row, turn), [said])
                assert gold.ids.tolist() == tokenizer.ids([text])[0][: len(gold.ids)]


def test_gold_segments_by_part(four_parts):
    counts = {row["part"]: {len(gold_segments(row, turn)) for turn in row["turns"]} for row in four_parts.rows()}
    shorts = [row for row in four_parts.rows() if row["part"] == "short_context"]
    assert counts["fine_grained"] == {1} and min(counts["integration"]) >= 2 and counts["general"] == {0}
    assert all(gold_segments(row, turn) == row["segment_ids"] for row in shorts for turn in row["turns"])


def test_conversations_are_kept_up_to_the_answer(four_parts, rows):
    (number, *_) = [i for i, row in enumerate(four_parts.rows()) if row["part"] == "general"]
    ids, _ = four_parts.plans.assemble(number)
    first, second = rows.of(number)
    assert first.ids.tolist() == ids[: len(first.ids)].tolist() and len(first.ids) < len(second.ids) == len(ids)


def test_rows_pickle_as_a_path_and_need_no_tokenizer(rows):
    pickled = pickle.dumps(rows)
    assert len(pickled) < 300
    assert pickle.loads(pickled).of(0)[0].ids.tolist() == GoldOnlyRows(rows.dataset).of(0)[0].ids.tolist()
    assert rows.n_tokens == sum(len(row.ids) for number in range(len(rows)) for row in rows.of(number))


def test_rows_are_written_once(four_parts, rows, monkeypatch):
    steps = []
    write_gold_rows(four_parts, steps.append)
    assert steps == []


def test_a_dataset_without_rows_names_the_command(built):
    with pytest.raises(DatasetError, match=f"has no gold rows; run `in2 teach {built}`"):
        GoldOnlyRows(built)


@pytest.mark.parametrize(("key", "value"), [("examples", "0" * 64), ("content", "0" * 16)])
def test_rows_of_other_examples_are_refused_and_written_again(four_parts, rows, key, value):
    path = four_parts.folder / layout.GOLD_ROWS / layout.GOLD_FACTS
    facts = json.loads(path.read_text())
    facts["source"][key] = value
    path.write_text(json.dumps(facts))
    with pytest.raises(DatasetError, match="its gold rows were written before it was rebuilt"):
        GoldOnlyRows(four_parts.folder)
    before = rows.of(1)[0].ids.tolist()
    assert write_gold_rows(four_parts).of(1)[0].ids.tolist() == before


def test_rows_of_an_earlier_version_are_read_and_kept(four_parts, rows):
    path = four_parts.folder / layout.GOLD_ROWS / layout.GOLD_FACTS
    facts = json.loads(path.read_text())
    del facts["source"]["content"]
    path.write_text(json.dumps(facts))
    assert len(write_gold_rows(four_parts)) == len(rows) and json.loads(path.read_text()) == facts


def test_a_damaged_file_is_named(four_parts, rows, tmp_path):
    folder = tmp_path / "in2"
    shutil.copytree(four_parts.folder, folder)
    path = folder / layout.GOLD_ROWS / layout.GOLD_IDS
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DatasetError, match=r"gold_ids\.bin: is missing or damaged; delete"):
        GoldOnlyRows(folder).of(0)


def test_answers_with_other_ids_are_refused(four_parts, monkeypatch):
    rendered = four_parts.renderer.render

    def changed(segments, turns):
        found = rendered(segments, turns)
        found.input_ids[found.answers[0][0]] += 1
        return found

    monkeypatch.setattr(four_parts.renderer, "render", changed)
    monkeypatch.setattr(rows_module, "_stored_source", lambda _: None)
    with pytest.raises(DatasetError, match=r"example \d+: the answer .* has other token ids with its gold"):
        write_gold_rows(four_parts)
    monkeypatch.undo()
    assert len(write_gold_rows(four_parts)) == len(four_parts)


def test_the_source_is_that_of_the_manifest(four_parts):
    source = ExamplesIdentity.of(four_parts.folder)
    manifest = four_parts.manifest
    assert (source.tokenizer, source.examples, source.content) == (
        manifest.tokenizer_fingerprint, four_parts.plans.made_of, manifest.content,
    )  # fmt: skip
    assert np.unique([len(source.tokenizer), len(source.template)]).tolist() == [16]
