"""A probe from a user's own documents and questions in the real lm_eval, on scripted models."""

import re
from typing import Any

import pytest

from in2_plugin.errors import PromptTooLong
from in2_plugin.probing.position.scores import position_scores_from_text
from tests.support import ROOT
from tests.support.own_documents import GOOD, build_probe

pytestmark = pytest.mark.slow
TASKS = ("in2_probe_context", "in2_probe_closed_book", "in2_probe_gold_only")


@pytest.fixture(scope="module")
def probe(tmp_path_factory, mistral_folder):
    return build_probe(tmp_path_factory.mktemp("own"), mistral_folder)


def oracle(prompt: str) -> str:
    """Answer from the text that is shown, about keepers and years."""
    context, _, question = prompt.rpartition("### Instruction:")
    (number,) = re.findall(r"station (\d\d)", question)
    found = re.findall(rf"station {number} is called (\w+)\.", context)
    return " and ".join([*found, *re.findall(rf"Station {number} was founded in the year (\d+)\.", context)])


def run(say: Any, probe: Any, tokenizer: Any, window: int = 2_048) -> dict[str, Any]:
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Scripted(LM):
        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            return [say(request.args[0]) for request in requests]

        def loglikelihood(self, requests: list[Any]) -> list[Any]:
            raise NotImplementedError

        loglikelihood_rolling = loglikelihood

    metadata = {"tokenizer": str(tokenizer), "max_length": window, "probe": str(probe)}
    manager = TaskManager(include_path=str(ROOT / "lm_eval_tasks"), include_defaults=False, metadata=metadata)
    found = simple_evaluate(Scripted(), tasks=["in2_probe"], task_manager=manager, metadata=metadata)
    return {task: found["results"][task] for task in TASKS}


def test_an_oracle_reads_every_depth_and_knows_nothing_without_the_text(probe, mistral_folder):
    found = run(oracle, probe, mistral_folder)
    assert [found[task]["acc,none"] for task in TASKS] == [1.0, 0.0, 1.0]
    assert [found[task]["recall,none"] for task in TASKS] == [1.0, 0.0, 1.0]
    context = found[TASKS[0]]
    assert (context["echo,none"], context["other,none"]) == (0.0, 0.0)
    scores = position_scores_from_text(context["scores_stderr,none"])
    assert scores.lengths == (1_024, 2_048) and len(scores.answers) == 2 * 5 * len(GOOD)


def test_a_model_that_reads_only_the_ends_has_a_dip(probe, mistral_folder):
    found = run(lambda prompt: oracle(prompt[:1_200] + prompt[-1_400:]), probe, mistral_folder)
    assert found[TASKS[2]]["acc,none"] == 1.0
    scores = position_scores_from_text(found[TASKS[0]]["scores_stderr,none"])
    by_depth = [[one.scores[depth] for one in scores.sets(2_048)] for depth in range(5)]
    assert sum(by_depth[0]) + sum(by_depth[4]) > 2 * sum(by_depth[2])


def test_a_window_that_is_too_small_is_refused(probe, mistral_folder):
    with pytest.raises(PromptTooLong, match="never truncated: keep only lengths up to 1024 in probe_lengths"):
        run(oracle, probe, mistral_folder, window=1_024)
