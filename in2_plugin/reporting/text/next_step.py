"""Say what to try after a training run that did not improve a probe, from the controls of the trained model.

A model that cannot answer from the gold alone, or knows the answers, has another problem than position. Pure functions.
"""

from enum import StrEnum

from in2_plugin.reporting.results import ModelResult
from in2_plugin.reporting.text.wording import percent, tokens
from in2_plugin.reporting.verdict import MARGIN, Verdict, baseline_floor, floor_of, floor_verdict


class Outcome(StrEnum):
    """What a training run has changed on one probe."""

    IMPROVED = "improved"
    WORSE = "worse"
    WORSE_BY_POSITION = "worse by position"
    NOT_SHOWN = "no improvement shown"


def next_step(outcome: Outcome, model: ModelResult, task: str) -> str:
    """Return a sentence on what to try next; empty after an improvement.

    Args:
        outcome: what the training changed.
        model: the trained model.
        task: the probe.
    """
    if outcome is Outcome.IMPROVED:
        return ""
    result, alone = model.tasks[task], [one.score.avg for one in model.of_family("gold_only", task)]
    if result.score.avg < floor_of(model, task) + MARGIN and floor_verdict(model, task) is Verdict.KNOWN:
        return f"{model.label} knows the answers without reading: ask about documents that it has not seen."
    if alone and max(alone) < baseline_floor(model, task) + MARGIN:
        return (
            f"{model.label} gives {percent(max(alone))}% right answers even from the gold segment alone, so it "
            "cannot answer such questions yet: train on more of them, or train a larger model."
        )
    if outcome is Outcome.WORSE:
        return "Check in the log that the loss falls, and lower the learning rate; or train on questions of this kind."
    if outcome is Outcome.WORSE_BY_POSITION:
        return f"Train on contexts as long as these ({tokens(result.key.length)} tokens), with golds at every depth."
    return "Train on more questions of this kind; or let the probe ask more, which shows smaller differences."
