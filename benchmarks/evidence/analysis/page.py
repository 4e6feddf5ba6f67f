"""Write the page of a study: verdicts, tables with intervals, curves, cost, and the rows beside it.

Invariant: invented rows never go into docs/, and a page of a study whose protocol is a draft says so.
"""

import math
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.evidence.analysis.estimates import Estimate
from benchmarks.evidence.analysis.hypotheses import GOLD_ONLY, OWN, Verdict, judge_all, judge_claim
from benchmarks.evidence.analysis.panels import draw_curves
from benchmarks.evidence.analysis.scores import Quantity, StudyScores, Task, read_scores
from benchmarks.evidence.rows import TRAIN, whole_seconds
from benchmarks.evidence.study import UNTRAINED
from benchmarks.measured import ROOT
from in2_plugin.cli.progress import duration
from in2_plugin.errors import ConfigError
from in2_plugin.io.atomic import write_text_atomic

DOCS = ROOT / "docs"
PROTOCOL = DOCS / "evidence/protocol.md"
DRAFT = "Status: draft"
"""Line of a protocol that is not registered."""
MOST_BYTES = 2_000_000
"""Rows above this size stay out of the repository."""
CURVES = "curves.svg"
TITLES = {"dip": "Ends minus middle", "avg": "Average"}


def write_page(folder: Path, output: Path | None) -> Path:
    """Write README.md, curves.svg and the rows to `output`; return the path of the page.

    Raises:
        ConfigError: the rows are invented, and `output` is missing or below docs/.
        ReportError: there are no rows, or a file is missing.
    """
    scores = read_scores(folder)
    target = (output or DOCS / "evidence").resolve()
    if _invented(scores) and target.is_relative_to(DOCS):
        raise ConfigError(f"{folder}: has invented rows, which do not go into {DOCS}; add `--output FOLDER`")
    target.mkdir(parents=True, exist_ok=True)
    tasks = [task for task in _ordered(scores) if scores.has_depths(task) and _is_share(task)]
    if tasks:
        write_text_atomic(target / CURVES, draw_curves(scores, tasks))
    note = _copy_rows(folder, target / "rows")
    write_text_atomic(target / "README.md", "\n".join([*_page(scores, bool(tasks)), note, ""]))
    return target / "README.md"


def _invented(scores: StudyScores) -> bool:
    return any(row.get("invented") for row in scores.rows.all)


def _page(scores: StudyScores, curves: bool) -> Iterator[str]:
    yield "# The evidence\n"
    yield from _status(scores)
    yield from _verdicts(judge_all(scores))
    if curves:
        yield f"![Score by depth of the gold, one panel per probe]({CURVES})\n"
        yield "*Thick lines: mean over seeds; thin lines: single seeds. The middle three fifths are shaded.*\n"
    own = (OWN, scores.study.trained_length)
    yield from _arms(scores, f"Primary: own documents, {own[1]:,} tokens", [own])
    yield from _contrasts(scores, own)
    yield from _arms(scores, "Secondary", [task for task in _ordered(scores) if task != own and _is_share(task)])
    yield from _losses(scores)
    yield from _data(scores)
    yield from _cost(scores)


def _status(scores: StudyScores) -> Iterator[str]:
    if _invented(scores):
        yield "**Invented results.** They show what the analysis does and say nothing about any model.\n"
    elif not PROTOCOL.exists() or DRAFT in PROTOCOL.read_text(encoding="utf-8"):
        yield "**Not a registered study.** Its protocol was a draft when this page was written.\n"
    dates = sorted(row["date"] for row in scores.rows.all)
    facts = {key: ", ".join(sorted({row[key] for row in scores.rows.all})) for key in ("commit", "machine", "dtype")}
    when = f"{dates[0][:10]} to {dates[-1][:10]}, at {facts['commit']}, {facts['machine']}, {facts['dtype']}"
    yield f"`python -m benchmarks.evidence run`, {when}; {len(scores.rows.all)} cells. [Protocol](protocol.md).\n"
    if len({row["seed"] for row in scores.rows.all if row["arm"] in scores.study.trained_arms}) == 1:
        yield "There is one seed so far: intervals are over questions alone.\n"
    missing = [f"{arm} (seeds {', '.join(map(str, seeds)) or 'none'})" for arm, seeds in _incomplete(scores)]
    if missing:
        yield f"Incomplete: {'; '.join(missing)} of seeds {', '.join(map(str, scores.study.seeds))}.\n"


def _incomplete(scores: StudyScores) -> Iterator[tuple[str, tuple[int, ...]]]:
    own = (OWN, scores.study.trained_length)
    for arm in scores.study.arms:
        if set(seeds := scores.seeds(own, [arm])) != set(scores.study.seeds):
            yield arm, seeds


def _verdicts(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "## Verdicts\n"
    yield "| | hypothesis | quantity | found, 95% interval | verdict |\n|---|---|---|---|---|"
    for one in verdicts:
        asked = one.hypothesis
        contrast = f"{asked.arm} - {asked.minus}" if asked.minus else asked.arm
        what = f"{asked.quantity} of {asked.task[0]}, {contrast}"
        yield f"| {asked.name} | {asked.claim} | {what} | {_shown(asked.task, one.found)} | **{one.status}** |"
    yield f"\nThe claim, which is H2, H3 and H4 together: **{judge_claim(verdicts)}**.\n"


def _arms(scores: StudyScores, title: str, tasks: Sequence[Task]) -> Iterator[str]:
    """Yield a table of arms for each quantity, in points."""
    arms = [arm for arm in (UNTRAINED, *scores.study.arms) if any(scores.seeds(task, [arm]) for task in tasks)]
    if not arms:
        return
    yield f"## {title}\n"
    quantities: tuple[Quantity, ...] = ("dip", "avg")
    for quantity in quantities:
        asked = [task for task in tasks if quantity == "avg" or scores.has_depths(task)]
        if not asked:
            continue
        yield f"{TITLES[quantity]}, points:\n"
        yield from _table(asked, arms, lambda task, arm, q=quantity: scores.estimate(task, q, arm))  # type: ignore[misc]


def _contrasts(scores: StudyScores, task: Task) -> Iterator[str]:
    arms = [arm for arm in scores.study.arms if arm != "uniform" and scores.seeds(task, [arm])]
    if "uniform" not in scores.study.arms or not arms or not scores.seeds(task, ["uniform"]):
        return
    yield "Uniform minus each arm, the same seeds and questions, points:\n"
    yield "| quantity | " + " | ".join(arms) + " |\n|---|" + "---|" * len(arms)
    quantities: tuple[Quantity, ...] = ("dip", "avg", "ends", "middle")
    for quantity in quantities:
        cells = (_points(scores.estimate(task, quantity, "uniform", arm)) for arm in arms)
        yield f"| {quantity} | " + " | ".join(cells) + " |"
    if scores.contexts.get(task):
        cells = (_points(scores.estimate(task, "dip", "uniform", arm, by_block=True)) for arm in arms)
        yield "| dip, questions that share contexts as one | " + " | ".join(cells) + " |"
    yield ""


def _losses(scores: StudyScores) -> Iterator[str]:
    tasks = [task for task in _ordered(scores) if not _is_share(task)]
    arms = [arm for arm in (UNTRAINED, *scores.study.arms) if any(scores.seeds(task, [arm]) for task in tasks)]
    if not arms:
        return
    yield "## Losses\n"
    yield "Nats per token: answers to held-out questions, their first four tokens, and texts that no arm saw.\n"
    yield from _table(tasks, arms, lambda task, arm: scores.estimate(task, "avg", arm))
    if depths := [task for task in tasks if scores.has_depths(task)]:
        yield "Ends minus middle, nats; below zero where the middle is worse:\n"
        yield from _table(depths, arms, lambda task, arm: scores.estimate(task, "dip", arm))


def _table(tasks: Sequence[Task], arms: Sequence[str], cell: Callable[[Task, str], Estimate | None]) -> Iterator[str]:
    yield "| task | tokens | " + " | ".join(arms) + " |\n|---|---|" + "---|" * len(arms)
    for task in tasks:
        shown = _points if _is_share(task) else _nats
        cells = " | ".join(shown(cell(task, arm)) for arm in arms)
        yield f"| {task[0]} | {f'{task[1]:,}' if task[1] else '-'} | {cells} |"
    yield ""


def _data(scores: StudyScores) -> Iterator[str]:
    """Yield what the arms were trained on, counted in the data; the numbers of the first seed."""
    rows = {row["arm"]: row for row in reversed(scores.rows.all) if row["measure"] == TRAIN}
    if not rows:
        return
    yield "## Training data\n\nCounted in the datasets, one seed:\n"
    yield "| stage | questions | steps | answer tokens | tokens | golds by fifth | minutes |\n" + "|---" * 7 + "|"
    for arm in sorted(rows):
        data, row = rows[arm]["data"], rows[arm]
        numbers = (f"{data[name]:,}" for name in ("questions", "steps", "answer_tokens", "tokens"))
        fifths = ", ".join(map(str, data["gold_by_fifth"]))
        yield f"| {arm} | {' | '.join(numbers)} | {fifths} | {(whole_seconds(row) or row['seconds']) / 60:.0f} |"
    yield ""


def _cost(scores: StudyScores) -> Iterator[str]:
    by_measure = defaultdict(list)
    for row in scores.rows.all:
        by_measure[row["measure"]].append(whole_seconds(row) or row["seconds"])
    yield "## Cost\n\n| cells | number | mean | all |\n|---|---|---|---|"
    for name, seconds in by_measure.items():
        yield f"| {name} | {len(seconds)} | {duration(fmean(seconds))} | {duration(sum(seconds))} |"
    yield ""


def _ordered(scores: StudyScores) -> list[Task]:
    return sorted(scores.by_task, key=lambda task: (task[0] not in (OWN, GOLD_ONLY), task))


def _is_share(task: Task) -> bool:
    return not task[0].startswith(("text_", "held_out_answer", "held_out_opening"))


def _shown(task: Task, found: Estimate | None) -> str:
    return _points(found) if _is_share(task) else _nats(found)


def _points(found: Estimate | None) -> str:
    return _cell(found, lambda value: f"{100 * value:.1f}")


def _nats(found: Estimate | None) -> str:
    return _cell(found, lambda value: f"{value:.3f}")


def _cell(found: Estimate | None, show: Callable[[float], str]) -> str:
    if found is None or math.isnan(found.value):
        return "-"
    interval = f" ({show(found.interval[0])} to {show(found.interval[1])})" if found.interval else ""
    return f"{show(found.value)}{interval}"


def _copy_rows(folder: Path, target: Path) -> str:
    """Copy the rows if they are small enough for the repository; return a sentence about them."""
    names = [path for name in ("study.yml", "rows.jsonl", "scores/*.parquet") for path in sorted(folder.glob(name))]
    size = sum(path.stat().st_size for path in names)
    if size > MOST_BYTES:
        return f"The rows have {size / 1e6:.1f} MB and are not in the repository."
    if target.resolve() != folder.resolve():
        shutil.rmtree(target, ignore_errors=True)
        for path in names:
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    return f"Scores of every question, without text: `rows/`, {size / 1e3:.0f} kB; the command `report` reads it."
