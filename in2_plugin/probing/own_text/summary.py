"""State what a probe has, what a run of it costs, which dip it can show, and the command to run it."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from in2_plugin.probing.own_text.tables import ProbeFolder
from in2_plugin.probing.scoring.power import Design, detectable_paired_dip
from in2_plugin.questions import Kind

TASK = "in2_probe"
"""The group of the probe and its two controls."""


@dataclass(frozen=True, slots=True)
class RunCost:
    """What one run over one length costs, the controls apart."""

    length: int
    contexts: int
    prompts: int
    tokens: int
    """Tokens of all prompts, each counted as the longest of its context."""
    prefix_tokens: int
    """Tokens when a context is read once for all its questions (`in2-hf`, or a server with a prefix cache)."""


def run_costs(probe: ProbeFolder) -> list[RunCost]:
    """Return the cost of each length."""
    costs = []
    for length in probe.facts.lengths:
        contexts = [context for context in probe.contexts if context.length == length]
        costs.append(
            RunCost(
                length,
                len(contexts),
                sum(len(context.asked) for context in contexts),
                sum(context.n_tokens * len(context.asked) for context in contexts),
                sum(context.n_tokens for context in contexts),
            )
        )
    return costs


def shown_dip(probe: ProbeFolder) -> float | None:
    """Return the smallest dip that each length shows; None if the curve has too few questions or depths."""
    n = probe.facts.counts[str(Kind.FINE_GRAINED)]
    if n < 2 or probe.facts.n_depths < 5:
        return None
    dip = detectable_paired_dip(n, Design(spans=probe.facts.n_depths))
    return dip if dip < 1 else None


def lm_eval_command(probe: ProbeFolder) -> str:
    """Return the command that asks all questions and both controls."""
    metadata = shlex.quote(json.dumps({"probe": str(probe.folder)}, ensure_ascii=False))
    chat = " --apply_chat_template" if _has_chat_template(probe.facts.tokenizer) else ""
    return (
        f"in2 lm-eval --model in2-hf --model_args pretrained={shlex.quote(probe.facts.tokenizer)} --tasks {TASK} "
        f"--metadata {metadata} --output_path results --log_samples{chat}"
    )


def summary_lines(probe: ProbeFolder) -> Iterator[str]:
    """Yield sentences for the end of a build."""
    facts, counts = probe.facts, probe.facts.counts
    yield (
        f"{probe.folder}: {counts['questions']:,} questions ({counts[str(Kind.FINE_GRAINED)]:,} fine-grained, "
        f"{counts[str(Kind.INTEGRATION)]:,} integration) at {facts.n_depths} depths, from {counts['documents']:,} "
        f"documents; digest {facts.digest}"
    )
    for cost in run_costs(probe):
        yield (
            f"a run at {cost.length:,} tokens: {cost.contexts:,} contexts, {cost.prompts:,} prompts, "
            f"{cost.tokens:,} tokens ({cost.prefix_tokens:,} when a context is read once for all its questions)"
        )
    yield f"the controls: {2 * counts['questions']:,} short prompts, without context and with the gold alone"
    dip = shown_dip(probe)
    if dip is None:
        yield "too few fine-grained questions or depths to show a dip; ask 30 or more at 5 depths or more"
    else:
        yield f"it shows a dip of {100 * dip:.0f} points or more at each length (80% power, at an average of 50%)"
    yield f"run it with:\n  {lm_eval_command(probe)}"


def as_json(probe: ProbeFolder) -> dict[str, object]:
    """Return the summary for `--json`."""
    return {
        "probe": str(probe.folder),
        "digest": probe.facts.digest,
        "depths": probe.facts.n_depths,
        **probe.facts.counts,
        "lengths": [
            {name: getattr(cost, name) for name in ("length", "contexts", "prompts", "tokens", "prefix_tokens")}
            for cost in run_costs(probe)
        ],
        "control_prompts": 2 * probe.facts.counts["questions"],
        "dip": shown_dip(probe),
        "command": lm_eval_command(probe),
    }


def readme(probe: ProbeFolder) -> str:
    """Return the README of a probe folder."""
    lines = "\n".join(f"- {line}" for line in list(summary_lines(probe))[:-1])
    return (
        f"# A position probe\n\n{lines}\n\nEach question is asked once with its gold at each depth, in contexts that "
        f"are otherwise equal.\n\n```\n{lm_eval_command(probe)}\n```\n"
    )


def _has_chat_template(tokenizer: str) -> bool:
    from in2_plugin.corpus.tokenizer import load_pretrained

    return bool(getattr(load_pretrained(tokenizer), "chat_template", None))
