"""The YAML files of position probes, and a probe of another package from its definition to a result in lm_eval."""

from typing import Any

import pytest
import yaml
from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

from in2_plugin.probing.lm_eval.position_files import position_package_files, position_probe_files
from in2_plugin.probing.lm_eval.task_files import write_probe_tasks
from in2_plugin.probing.position.options import PositionOptions
from in2_plugin.probing.position.scores import position_scores_from_text
from in2_plugin.probing.probes.registry import POSITION, POSITION_PROBES
from tests.support import ROOT
from tests.support.invented_position_probe import SHELVES

FOLDER = ROOT / "lm_eval_tasks/position"
CONTROLS = ("context", "closed_book", "gold_only")


def test_the_package_has_what_is_generated():
    files = position_package_files(POSITION_PROBES[name] for name in POSITION)
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == {*files, "README.md", "utils.py"}
    assert {name: (FOLDER / name).read_text() for name in files} == files


def test_a_probe_with_controls_is_a_group():
    files = position_probe_files(SHELVES)
    assert yaml.safe_load(files["shelves.yaml"])["task"] == [f"shelves_{control}" for control in CONTROLS]
    assert "max_gen_toks: 16" in files["shelves_context.yaml"] and "probe_depths: 5" in files["shelves_context.yaml"]
    assert "metric: dip" in files["_position_yaml"] and "metric: dip" not in files["_position_control_yaml"]


@pytest.mark.parametrize("name", POSITION)
def test_every_probe_has_common_options_and_is_in_the_readme(name):
    probe = POSITION_PROBES[name]
    assert issubclass(probe.options, PositionOptions) and "" in probe.controls
    assert f"`{name}`" in (FOLDER / "README.md").read_text()


class OnlyTheEnds(LM):
    """Finds the book where the prompt has its shelf in the first or last fifth; knows one book from memory."""

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        return [self._answer(request.args[0], request.doc) for request in requests]

    def _answer(self, prompt: str, row: dict[str, Any]) -> str:
        assert prompt.endswith(row["query"])
        reads = row["gold"][0] in prompt and row["depth"] in (0, 4)
        return row["gold"][0] if reads or (row["question"] == 0 and row["control"] == "closed_book") else "none"

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


@pytest.fixture
def registered():
    POSITION_PROBES.register(SHELVES)
    yield
    POSITION_PROBES.unregister("shelves")


def test_a_probe_of_another_package_runs_in_lm_eval(registered, mistral_folder, tmp_path):
    write_probe_tasks(SHELVES, tmp_path)
    metadata = {"tokenizer": str(mistral_folder), "max_length": 1_024}
    manager = TaskManager(include_path=str(tmp_path), include_defaults=False, metadata=metadata)
    found = simple_evaluate(OnlyTheEnds(), tasks=["shelves"], task_manager=manager, metadata=metadata)["results"]
    context, closed, alone = (found[f"shelves_{control}"] for control in CONTROLS)
    assert context["acc,none"] == context["avg,none"] == 0.4 and context["dip,none"] == pytest.approx(1.0)
    assert (closed["acc,none"], alone["acc,none"]) == (0.2, 1.0) and "dip,none" not in closed
    scores = position_scores_from_text(context["scores_stderr,none"])
    assert (scores.n_depths, scores.window, scores.lengths, len(scores.answers)) == (5, 1_024, (512,), 25)
    assert [one.scores for one in scores.sets(512)] == [(1.0, 0.0, 0.0, 0.0, 1.0)] * 5
    control = position_scores_from_text(closed["scores_stderr,none"])
    assert (control.n_depths, len(control.answers)) == (1, 5) and control.digest == scores.digest
