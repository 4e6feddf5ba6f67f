"""Plans assemble to the rendered rows, and damaged plans are refused."""

import pickle
import shutil

import numpy as np
import pytest

from in2_plugin import layout
from in2_plugin.config import PARTS
from in2_plugin.corpus.splicing import Joining
from in2_plugin.dataset.plans import Plans, PlanWriter
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.errors import DatasetError
from in2_plugin.examples.opening import ASSUMED
from in2_plugin.examples.rendering import IGNORED
from tests.support.builds import build_four_parts
from tests.support.stage_runs import forget_openings


@pytest.fixture(scope="module")
def four_parts(tmp_path_factory, mistral_folder, mistral):
    folder = tmp_path_factory.mktemp("four")
    build_four_parts(folder, mistral_folder)
    return IN2Dataset(folder / "in2", mistral)


def assert_same(dataset, plans):
    rows = list(dataset.rows())
    assert len(plans) == len(rows) == len(dataset)
    for number, row in enumerate(rows):
        rendered = dataset.render(row)
        ids, labels = plans.assemble(number)
        assert ids.dtype == labels.dtype == np.int64
        np.testing.assert_array_equal(ids, rendered.input_ids)
        np.testing.assert_array_equal(labels, rendered.labels)
        assert plans.n_tokens[number] == row["n_tokens"]
        assert PARTS[plans.part[number]] == row["part"]
    assert {row["part"] for row in rows} == {"fine_grained", "integration", "short_context", "general"}
    assert any(len(row["turns"]) == 2 for row in rows)


def test_plans_assemble_to_the_rendered_rows(four_parts):
    assert_same(four_parts, four_parts.plans)


def test_plans_need_no_tokenizer_and_pickle_as_a_path(four_parts):
    plans = Plans(four_parts.folder / layout.PLANS, four_parts.store)
    pickled = pickle.dumps(plans)
    assert len(pickled) < 1_000
    ids, labels = pickle.loads(pickled).assemble(3)
    assert ids.tolist() == plans.assemble(3)[0].tolist() and (labels != IGNORED).any()


def test_plans_of_examples_tokenized_as_a_whole(tmp_path, monkeypatch, mistral_folder, mistral):
    monkeypatch.setattr("in2_plugin.corpus.store_writer.splices_equal_joint", lambda *_: False)
    build_four_parts(tmp_path, mistral_folder)
    dataset = IN2Dataset(tmp_path / "in2", mistral)
    assert dataset.store.facts.joining is Joining.RETOKENIZE
    assert_same(dataset, pickle.loads(pickle.dumps(dataset.plans)))
    with pytest.raises(DatasetError, match="does not belong to"):
        Plans(dataset.folder / layout.PLANS, dataset.store)


def test_the_depth_is_that_of_a_single_gold(four_parts):
    seen = 0
    for number, row in enumerate(four_parts.rows()):
        for turn, answer in zip(row["turns"], four_parts.plans.answers(number), strict=True):
            if row["part"] == "fine_grained":
                (gold,) = turn["gold"]
                place = row["segment_ids"].index(gold["segment_id"])
                assert place == int(answer["depth"] * len(row["segment_ids"]))
                seen += 1
            elif row["part"] != "integration":
                assert np.isnan(answer["depth"])
            assert answer["stop"] - answer["start"] == turn["n_answer_tokens"]
    assert seen == 24


def test_openings_are_unambiguous_in_the_context(four_parts, mistral):
    exact = 0
    for number, row in enumerate(four_parts.rows()):
        ids, _ = four_parts.plans.assemble(number)
        context = "\n".join(four_parts.store.texts(row["segment_ids"]))
        for turn, (start, stop, _), n in zip(
            row["turns"], four_parts.plans.answers(number), four_parts.plans.openings(number), strict=True
        ):
            opening, before = (mistral.decode(ids[start : start + k].tolist()).strip() for k in (n, n - (n > 0)))
            if not context:
                assert n == 0
            elif context.count(turn["answer"]) == 1:
                assert turn["answer"].startswith(opening) and context.count(opening) == 1
                assert not before or context.count(before) > 1
                exact += 1
            else:
                assert n == min(ASSUMED, stop - start)
    assert exact > 30


def test_openings_of_datasets_of_earlier_versions_are_assumed(four_parts, tmp_path):
    shutil.copytree(four_parts.folder / layout.PLANS, tmp_path / "plans")
    forget_openings(tmp_path / "plans")
    plans = Plans(tmp_path / "plans", four_parts.store)
    assert not plans.knows_openings and four_parts.plans.knows_openings
    for number, row in enumerate(four_parts.rows()):
        lengths = [turn["n_answer_tokens"] for turn in row["turns"]]
        assert plans.openings(number).tolist() == [min(ASSUMED if row["segment_ids"] else 0, n) for n in lengths]


def test_plans_can_be_copied(four_parts, tmp_path):
    plans = four_parts.plans
    heads = {plans.plan(i).head: [] for i in range(len(plans))}
    heads = {text: ids.tolist() for text, ids in plans._heads if text in heads}
    with PlanWriter(tmp_path / "copy", four_parts.store, heads, plans.made_of) as writer:
        for _ in range(2):
            for i in range(len(plans)):
                writer.add(plans.plan(i))
    copy = Plans(tmp_path / "copy", four_parts.store)
    assert len(copy) == 2 * len(plans)
    for i in (0, 5, len(plans) - 1):
        assert copy.assemble(len(plans) + i)[0].tolist() == plans.assemble(i)[0].tolist()
        assert copy.openings(len(plans) + i).tolist() == plans.openings(i).tolist()


@pytest.mark.parametrize("name", ["lengths.bin", "examples.bin", "openings.bin"])
def test_a_truncated_file_is_refused(four_parts, tmp_path, name):
    shutil.copytree(four_parts.folder / layout.PLANS, tmp_path / "plans")
    content = (tmp_path / "plans" / name).read_bytes()
    (tmp_path / "plans" / name).write_bytes(content[:-7])
    with pytest.raises(DatasetError, match=f"{name}: is missing or damaged; delete plans/facts.json"):
        Plans(tmp_path / "plans", four_parts.store).plan(2)


def test_missing_openings_are_refused(four_parts, tmp_path):
    shutil.copytree(four_parts.folder / layout.PLANS, tmp_path / "plans")
    (tmp_path / "plans/openings.bin").unlink()
    with pytest.raises(DatasetError, match=r"openings\.bin: is missing or damaged; delete plans/facts\.json"):
        Plans(tmp_path / "plans", four_parts.store).openings(2)


def test_an_example_with_another_length_is_refused(four_parts, tmp_path):
    shutil.copytree(four_parts.folder / layout.PLANS, tmp_path / "plans")
    lengths = np.fromfile(tmp_path / "plans/lengths.bin", np.uint32)
    lengths[2] += 1
    lengths.tofile(tmp_path / "plans/lengths.bin")
    with pytest.raises(DatasetError, match="example 2 does not have the"):
        Plans(tmp_path / "plans", four_parts.store).assemble(2)


def test_unfinished_plans_are_refused(four_parts, tmp_path):
    with pytest.raises(DatasetError, match="contains no finished plans"):
        Plans(tmp_path, four_parts.store)
