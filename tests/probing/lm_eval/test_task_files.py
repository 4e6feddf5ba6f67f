"""The YAML files of the tasks; and a fourth probe from its definition to the report without changing the package."""

import json
from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

from in2_plugin.probing.lm_eval.position_files import position_probe_files
from in2_plugin.probing.lm_eval.task_files import package_files, probe_files, write_package_tasks, write_probe_tasks
from in2_plugin.probing.probes.builtin import BUILTIN
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.page import render_page
from in2_plugin.reporting.read_results import read_models
from in2_plugin.reporting.text.tables import columns, measured_rows
from tests.support import ROOT, lm_eval_results
from tests.support.invented_position_probe import SHELVES
from tests.support.invented_probe import CARDS, save_items

FOLDER = ROOT / "lm_eval_tasks/val_probe"


def test_the_package_has_what_is_generated():
    files = package_files(BUILTIN)
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == {*files, "README.md", "utils.py"}
    assert {name: (FOLDER / name).read_text() for name in files} == files


def test_old_files_are_deleted(tmp_path):
    for name, old in (("val_probe", "val_probe_3k.yaml"), ("position", "cupboards.yaml")):
        (tmp_path / name).mkdir()
        (tmp_path / name / old).touch()
        (tmp_path / name / "README.md").touch()
    write_package_tasks(tmp_path, BUILTIN, [SHELVES])
    assert {path.name for path in (tmp_path / "val_probe").iterdir()} == {*package_files(BUILTIN), "README.md"}
    assert {path.name for path in (tmp_path / "position").iterdir()} == {*position_probe_files(SHELVES), "README.md"}


def test_groups_hold_the_probes_of_the_paper():
    more = package_files([*BUILTIN, CARDS])
    own = probe_files(CARDS).keys()
    assert own < more.keys() and not any("cards" in text for name, text in more.items() if name not in own)
    assert "val_probe_cards.yaml" in own and "val_probe_paper_cards.yaml" not in own


class Scripted(LM):
    """Answers right for the first half of a context, and wrong for the rest."""

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        return [row["gold"][0] if row["position"] < row["n_positions"] / 2 else "no" for row in map(_row, requests)]

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


def _row(request: Any) -> dict[str, Any]:
    assert f"Card {request.doc['query']} shows {request.doc['gold'][0]}." in request.args[0]
    return request.doc


@pytest.fixture
def registered():
    PROBES.register(CARDS)
    yield
    PROBES.unregister("cards")


def evaluate(folder: Path, tokenizer: Path) -> dict[str, Any]:
    """Run lm_eval on the fourth probe with the scripted model, and return its results."""
    write_probe_tasks(CARDS, folder / "tasks")
    metadata = {
        "tokenizer": str(tokenizer), "max_length": 1_024, "probe_length": 1_024, "probe_sets": 2,
        "probe_pieces": str(save_items(folder / "items")),
    }  # fmt: skip
    manager = TaskManager(include_path=str(folder / "tasks"), include_defaults=False, metadata=metadata)
    return simple_evaluate(Scripted(), tasks=["val_probe_cards"], task_manager=manager, metadata=metadata)


def test_a_fourth_probe_runs_in_lm_eval_and_is_shown_by_the_report(registered, mistral_folder, tmp_path):
    found = evaluate(tmp_path, mistral_folder)
    numbers = found["results"]["val_probe_cards"]
    assert (numbers["avg,none"], numbers["gap,none"]) == (pytest.approx(0.5, abs=0.1), 1.0)
    spans = [numbers[f"span_{index:02d},none"] for index in range(CARDS.spans)]
    assert spans[:3] == [1.0] * 3 and spans[5:] == [0.0] * 3 and "span_08,none" not in numbers
    whole = lm_eval_results.scored("scripted", lm_eval_results.paper_spans("FILM"))
    for part in ("results", "configs", "versions", "n-samples"):
        whole[part]["val_probe_cards"] = json.loads(json.dumps(found[part]["val_probe_cards"], default=str))
    lm_eval_results.write(tmp_path / "results", whole)
    comparison = compare(read_models([tmp_path / "results"]))
    assert columns(comparison) == ("Document", "Code", "Database", "Cards", "All")
    (row, *_) = measured_rows(comparison)
    assert row.cells[3].gap == "100.0" and row.cells[4].avg.startswith("8")
    html = render_page(comparison)
    assert "Cards probe, score by depth of the answer" in html


def test_results_of_an_unknown_probe_are_ignored(tmp_path):
    value = lm_eval_results.scored("m", lm_eval_results.paper_spans("FILM"))
    value["results"]["val_probe_cards"] = value["results"]["val_probe_code"]
    lm_eval_results.write(tmp_path, value)
    (model,) = read_models([tmp_path])
    assert list(model.tasks) == ["document", "code", "database"]
