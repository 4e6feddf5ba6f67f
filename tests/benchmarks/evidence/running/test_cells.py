"""The order of cells, what is skipped, and what remains."""

from dataclasses import replace

import pytest

from benchmarks.evidence.rows import Model, ScoredUnit
from benchmarks.evidence.running import cells
from benchmarks.evidence.running.equality import Counts
from benchmarks.evidence.running.folder import StudyFolder
from benchmarks.evidence.study import load_study
from tests.support.small_study import write_study

COUNTS = Counts(8, 16, 4, 8_000, 400, (4, 3, 3, 3, 3), frozenset({"a"}))


@pytest.fixture
def folder(tmp_path):
    study = load_study(write_study(tmp_path / "study.yml", seeds=[0, 1]))
    return StudyFolder(tmp_path, study, "float32", "cpu")


@pytest.fixture
def done(monkeypatch):
    """Replace all programs; the list of what was done."""
    log: list[str] = []
    monkeypatch.setattr(cells, "build_shared", lambda folder: log.append("shared"))
    monkeypatch.setattr(cells, "build_training", lambda folder, model: log.append(f"data {model.name}") or model.name)
    ends = replace(COUNTS, gold_by_fifth=(8, 0, 0, 0, 8))
    monkeypatch.setattr(cells, "count", lambda data, training: ends if "edges" in str(data) else COUNTS)
    monkeypatch.setattr(cells, "train", lambda folder, name, start, *_: log.append(f"train {name} from {start}") or {
        "steps": 4, "seconds": 40.0, "timed_steps": 2, "log": []})  # fmt: skip
    score = [ScoredUnit("t", 0, 0, 0, 1, 1.0)]
    monkeypatch.setattr(cells, "measure", lambda folder, model, output, asked: log.append(f"{output} {model}") or score)
    monkeypatch.setattr(cells, "measure_choices", lambda *_: score)
    monkeypatch.setattr(cells.Runner, "_losses", lambda *_: iter(score))
    return log


def names(found) -> list[str]:
    return [f"{cell.model.name} {cell.measure}" for cell in found]


def test_seeds_are_finished_one_after_the_other(folder):
    found = names(cells.cells_of(folder.study))
    assert found[:3] == ["base-s0 losses", "base-s0 choices", "first-s0 train"]
    assert found[3:7] == ["start-s0 own", "start-s0 losses", "start-s0 choices", "edges-s0 train"]
    assert found.index("uniform-s0 choices") < found.index("first-s1 train") and len(found) == 2 + 2 * 12


def test_arms_and_seeds_are_chosen(folder):
    found = names(cells.cells_of(folder.study, ["uniform"], [1]))
    assert found[2:] == [
        "first-s1 train",
        "uniform-s1 train",
        *(f"uniform-s1 {m}" for m in ("own", "losses", "choices")),
    ]


def test_the_data_of_all_arms_and_seeds_is_checked_before_the_first_is_trained(folder, done):
    cells.Runner(folder, lambda line: None).run(cells.cells_of(folder.study, ["uniform"]))
    assert done.index("data edges-s1") < done.index("train first-s0 from base")
    assert "uniform-s0-own models/uniform-s0" in done and "base-s0-own base" not in done


def test_finished_cells_are_skipped_and_the_rest_is_timed(folder, done):
    said: list[str] = []
    cells.Runner(folder, said.append).run(cells.cells_of(folder.study, ["start", "edges"], [0]))
    assert said[0] == "0 of 10 cells are finished; 10 remain, none of a kind that was timed before"
    done.clear()
    runner = cells.Runner(folder, said.append)
    left = [cell for cell in cells.cells_of(folder.study) if not runner.rows.find(cell.model, cell.measure)]
    # training took 40 s for half of the steps
    assert runner.remaining([cell for cell in left if cell.measure == "train"]) == (
        "4 remain: about 3 min, and 2 cells of kinds that were not timed yet"
    )
    runner.run(cells.cells_of(folder.study, ["start", "edges"], [0]))
    assert not done and said[-1] == "10 of 10 cells are finished; nothing remains"


def test_training_without_a_step_left_tells_nothing_about_time(folder, done):
    runner = cells.Runner(folder, lambda line: None)
    facts = {"seconds": 9.0, "steps": 4, "timed_steps": 0}
    runner.rows.add(Model("uniform", 0), "train", (), **facts)
    assert "none of a kind that was timed before" in runner.remaining([cells.Cell(Model("uniform", 1), "train")])


def test_the_answers_of_an_interrupted_measure_are_kept_until_its_row(folder, done):
    (folder.path / cells.CACHE).mkdir()
    cells.Runner(folder, lambda line: None).run([cells.Cell(Model("start", 0), "own")])
    assert not (folder.path / cells.CACHE).exists()


def test_start_is_the_model_of_the_first_stage(folder, done):
    cells.Runner(folder, lambda line: None).run(cells.cells_of(folder.study, ["start"], [1]))
    assert "start-s1-own models/first-s1" in done


def test_a_training_run_of_another_length_ends_the_study(folder, done, monkeypatch):
    monkeypatch.setattr(cells, "count", lambda data, training: replace(COUNTS, steps=5))
    with pytest.raises(SystemExit, match="first-s0: took 4 steps instead of 5"):
        cells.Runner(folder, lambda line: None).run([cells.Cell(Model("first", 0), "train")])
