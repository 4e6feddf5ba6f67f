"""Measure one model with lm_eval: `in2 lm-eval --model in2-hf`, and read the score of every question.

Results files of lm_eval stay in `results/`, without prompts. An interrupted measure keeps its answers in `cache/`.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.evidence.rows import UNKNOWN, ScoredUnit
from benchmarks.evidence.running.choices import TASK
from benchmarks.evidence.running.data import PROBE
from benchmarks.evidence.running.folder import StudyFolder
from benchmarks.evidence.study import Measure
from in2_plugin.errors import ReportError
from in2_plugin.probing.own_text.tables import read_probe
from in2_plugin.reporting.position.read import read_position_models
from in2_plugin.reporting.read_results import read_model
from in2_plugin.reporting.results import TaskResult

OWN_PROBE, CACHE = "in2_probe", "cache"
TASKS = Path(__file__).parents[1] / "lm_eval_tasks"


def measure(folder: StudyFolder, model: str, output: str, asked: Measure) -> list[ScoredUnit]:
    """Run the tasks of a measure on the model in the folder `model`; `output` names the results folder."""
    own = asked.tasks.startswith(OWN_PROBE)
    metadata = {"probe": PROBE, **asked.metadata} if own else asked.metadata
    more = ["--metadata", json.dumps(metadata)] if metadata else []
    if asked.max_gen_toks:
        more += ["--gen_kwargs", f"max_gen_toks={asked.max_gen_toks}"]
    results = _lm_eval(folder, model, output, asked.tasks, more)
    model_result = read_model(results)
    found = [*model_result.probes.values(), *read_position_models([model_result])[0].probes.values()]
    contexts = _own_contexts(folder.path / PROBE) if own else {}
    scores = [unit for result in found for unit in _units(result, contexts)]
    if not scores:
        raise ReportError(f"{results}: no task of `{asked.tasks}` stores scores by question; measure another task")
    return scores


def measure_choices(folder: StudyFolder, model: str, output: str) -> list[ScoredUnit]:
    """Ask the multiple-choice items, scored by likelihood."""
    more = ["--include_path", str(TASKS), "--log_samples"]
    results = _lm_eval(folder, model, output, TASK, more)
    (samples,) = results.rglob(f"samples_{TASK}_*.jsonl")
    rows = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    samples.unlink()
    return [ScoredUnit("choices", 0, row["doc_id"], 0, 1, row["acc"]) for row in rows]


def _lm_eval(folder: StudyFolder, model: str, output: str, tasks: str, more: list[str]) -> Path:
    results = folder.path / "results" / output
    shutil.rmtree(results, ignore_errors=True)
    folder.in2(
        f"measure-{output}", "lm-eval", "--model", "in2-hf", "--model_args",
        f"pretrained={model},dtype={folder.dtype}", "--device", folder.device, "--batch_size", "1",
        "--tasks", tasks, "--apply_chat_template", "--use_cache", f"{CACHE}/{output}",
        "--output_path", f"results/{output}", *more,
    )  # fmt: skip
    return results


def _own_contexts(probe: Path) -> dict[tuple[int, int, int], int]:
    """Return the context of each (length, question, depth) of the own probe."""
    return {
        (context.length, asked.question, asked.depth): context.number
        for context in read_probe(probe).contexts
        for asked in context.asked
    }


def _units(result: TaskResult, own_contexts: Mapping[tuple[int, int, int], int]) -> Iterator[ScoredUnit]:
    """Yield the scores of one task at one length; golds of integration questions are in no single depth."""
    length = result.key.length
    for one in result.sets:
        for position, score in zip(one.positions, one.scores, strict=True):
            context = one.set  # of VAL
            if result.position is not None:
                own = result.task == OWN_PROBE
                context = own_contexts.get((length, one.set, position), UNKNOWN) if own else UNKNOWN
            yield ScoredUnit(result.name, length, one.set, position, one.n_positions, score, context)
