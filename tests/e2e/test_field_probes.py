"""The position probes of the field in the real lm_eval, answered by models that know the format of each."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from in2_plugin.probing.position.scores import position_scores_from_text
from tests.support import multi_document_files, nolima_folder
from tests.support.e2e_run import ROOT

pytestmark = pytest.mark.slow

LENGTH = 3_000
SOME = {"probe_length": LENGTH, "probe_questions": 6}
PLACES = {"Paris": "Louvre", "Ile-de-France": "Louvre", "Madrid": "Prado", "Castile": "Prado"}


def needles(prompt: str) -> str:
    """Return all values of the keys that the last line asks for, in any of RULER's wordings."""
    context, _, asked = prompt.rpartition("\nWhat ")
    return ", ".join(value for key, value in re.findall(r"for (\S+) is: (\S+)\.", context) if key in asked)


def ferries(prompt: str) -> str:
    (ship,) = re.findall(r"Question: where was the ferry (\w+) built\nAnswer:", prompt)
    return (re.findall(rf"(?i:The ferry {ship}) was built in (\w+)\.", prompt) or ["nowhere"])[0]


def trades(prompt: str) -> str:
    if "Which sound was heard?" in prompt:
        return "bray" if "old donkey" in prompt else ""
    (where,) = re.findall(r"Question: Who has worked in (?:the region of )?(\S+)\?", prompt)
    return (re.findall(rf"Last winter (\w+) mended the roof of the {PLACES[where]}\.", prompt) or [""])[0]


def only_the_ends(say: Callable[[str], str]) -> Callable[[str], str]:
    """Return a model that reads the first and the last quarter of each prompt."""
    return lambda prompt: say(prompt[: len(prompt) // 4] + prompt[-len(prompt) // 4 :])


@pytest.fixture
def scripted(mistral_folder):
    """Run lm_eval in this process on a model that answers `say(prompt)`: `scripted(task, say, options)`."""

    def evaluate(task: str, say: Callable[[str], str], **options: Any) -> dict[str, dict[str, Any]]:
        from lm_eval import simple_evaluate
        from lm_eval.api.model import LM
        from lm_eval.tasks import TaskManager

        class Scripted(LM):
            def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
                return [say(request.args[0]) for request in requests]

            def loglikelihood(self, requests: list[Any]) -> list[Any]:
                raise NotImplementedError

            loglikelihood_rolling = loglikelihood

        metadata = {"tokenizer": str(mistral_folder), "max_length": LENGTH, **options}
        manager = TaskManager(include_path=str(ROOT / "lm_eval_tasks"), include_defaults=False, metadata=metadata)
        found = simple_evaluate(Scripted(), tasks=[task], task_manager=manager, metadata=metadata, log_samples=False)
        return found["results"]

    return evaluate


def by_depth(numbers: dict[str, Any]) -> list[float]:
    """Return the mean score at each depth of the first gold, whatever the kind of the questions."""
    scores = position_scores_from_text(numbers["scores_stderr,none"])
    of_depth = [[one.score for one in scores.answers if one.depth == depth] for depth in range(scores.n_depths)]
    assert len(set(map(len, of_depth))) == 1
    return [sum(found) / len(found) for found in of_depth]


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("niah_single", {}),
        ("niah_single", {"probe_values": "uuids", "probe_haystack": "noise"}),
        ("niah_multi", {}),
        ("niah_multi", {"probe_variant": "multivalue"}),
        ("niah_multi", {"probe_variant": "multikey"}),
    ],
)
def test_needles(scripted, task, options):
    found = scripted(task, needles, **SOME, **options)[task]
    assert by_depth(found) == [1.0] * 10 and (found["echo,none"], found["other,none"]) == (0.0, 0.0)
    ends = by_depth(scripted(task, only_the_ends(needles), **SOME, **options)[task])
    assert ends[0] > ends[4] and ends[9] > ends[5]


def test_several_needles_have_the_depths_of_all(scripted):
    scores = position_scores_from_text(scripted("niah_multi", needles, **SOME)["niah_multi"]["scores_stderr,none"])
    for answer in scores.answers:
        assert answer.kind == "integration" and len({round(9 * depth) for depth in answer.gold_depths}) == 4
        assert round(9 * answer.gold_depths[0]) == answer.depth


def test_multi_document_questions(scripted, tmp_path):
    multi_document_files.save(tmp_path, 20, 0)
    found = scripted("litm_qa", ferries, probe_data=str(tmp_path))
    assert by_depth(found["litm_qa_context"]) == [1.0] * 5
    assert found["litm_qa_gold_only"]["acc,none"] == 1.0 and found["litm_qa_closed_book"]["acc,none"] == 0.0
    for task in ("litm_qa_context", "litm_qa_gold_only", "litm_qa_closed_book"):
        assert (found[task]["echo,none"], found[task]["other,none"]) == (0.0, 0.0)
    ends = scripted("litm_qa_context", only_the_ends(ferries), probe_data=str(tmp_path))["litm_qa_context"]
    assert ends["dip,none"] > 0.5


def test_nolima(scripted, tmp_path):
    data = str(nolima_folder.save(tmp_path / "data"))
    options: dict[str, Any] = {"probe_data": data, "probe_length": LENGTH}
    found = scripted("nolima", trades, **options)["nolima"]
    assert by_depth(found) == [1.0] * 10 and (found["echo,none"], found["other,none"]) == (0.0, 0.0)
    assert scripted("nolima", only_the_ends(trades), **options)["nolima"]["dip,none"] > 0.5


@pytest.mark.parametrize("task", ["litm_qa_context", "nolima"])
def test_missing_files_are_one_sentence(scripted, tmp_path, task):
    with pytest.raises(Exception, match="set probe_data to its folder"):
        scripted(task, needles, probe_data=str(tmp_path))


def test_prompts_fit_a_window_of_their_length(scripted):
    """Every prompt is counted with the model's tokenizer, and one that is too long stops the run."""
    for length in (900, 1_111):
        short = {**SOME, "probe_length": length, "probe_depths": 5, "max_length": length}
        assert scripted("niah_single", needles, **short)
        assert scripted("niah_multi", needles, **short, probe_values="uuids")
