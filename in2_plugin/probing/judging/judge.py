"""Judge the logged answers of position tasks, and write the verdicts beside them.

Invariants: a file of verdicts is written when each of its answers has an outcome, also if the run is stopped later; an
answer that is empty, or ends inside a thought, is wrong without a call. Cost: one call per distinct pair of question
and answer; a second run makes none.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from in2_plugin.errors import ReportError
from in2_plugin.llm.request import Request, Usage
from in2_plugin.pipeline.run import Progress
from in2_plugin.probing.judging.agreement import Agreement, agreement_of
from in2_plugin.probing.judging.judged_answers import JudgedAnswer, judged_path, write_judged
from in2_plugin.probing.judging.logged_answers import AnswerLog, LoggedAnswer, find_answer_logs, read_answers
from in2_plugin.probing.judging.session import JudgeConfig, JudgeSession, Outcome, Requests
from in2_plugin.probing.judging.verdict import judge_prompt
from in2_plugin.probing.probes.registry import POSITION_PROBES

PURPOSE = "judge"
EMPTY = "the answer is empty, so it is wrong without a call"


@dataclass(frozen=True, slots=True)
class JudgedLog:
    """The verdicts on one file of logged answers."""

    task: str
    path: Path
    """The file of verdicts."""
    answers: int
    agreement: Agreement
    without_verdict: Mapping[str, int]
    """Answers without a verdict by reason, most frequent first."""
    disagreements: tuple[tuple[LoggedAnswer, JudgedAnswer], ...]
    """All answers on which the judge and containment differ."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The result of one run."""

    logs: tuple[JudgedLog, ...]
    paid: Usage
    """Calls of this run that were paid, and their tokens."""
    cost: float
    """What they cost, in the currency of the prices; 0 without prices."""


@dataclass(frozen=True, slots=True)
class _LogToJudge:
    log: AnswerLog
    answers: tuple[LoggedAnswer, ...]
    requests: tuple[Request | None, ...]
    """None for an empty answer."""

    @property
    def asked(self) -> list[tuple[Path, Request]]:
        return [(self.log.path.parent, request) for request in self.requests if request]


def judge_answers(sources: Sequence[Path], config: JudgeConfig, progress: Progress) -> Judged:
    """Judge the newest logged answers of each position task in `sources`.

    Raises:
        ReportError: there are no such answers, or a file is damaged.
        ConfigError, FolderLocked, MissingExtra: see `JudgeSession`.
        SpendingStopped, EndpointError, WorkLogError: the run ended early; all answers so far are stored.
    """
    logs, notes = find_answer_logs(sources)
    for note in notes:
        progress.say(f"not judged: {note}")
    to_judge = [_to_judge(log, config) for log in logs]
    requests: Requests = [asked for one in to_judge for asked in one.asked]
    folders = sorted({log.path.parent for log in logs})
    outcomes: dict[bytes, Outcome] = {}
    with JudgeSession(config, folders, progress.say) as session:
        progress.say(session.expected(requests))
        distinct = len({request.key for _, request in requests})
        try:
            with progress.stage("judging answers", distinct, session.detail) as step:

                def keep(key: bytes, outcome: Outcome) -> None:
                    outcomes[key] = outcome
                    step(1)

                session.judge(requests, keep)
        finally:
            judged = [_judged(one, config.endpoint.model, outcomes) for one in to_judge if _is_complete(one, outcomes)]
        return Judged(tuple(judged), session.paid, session.cost)


def _to_judge(log: AnswerLog, config: JudgeConfig) -> _LogToJudge:
    answers = tuple(read_answers(log))
    endpoint = config.endpoint
    parameters = {**endpoint.parameters, **endpoint.extra_body}
    needs_all = _needs_all_of(answers[0].probe, log)
    requests = tuple(
        Request(judge_prompt(answer, needs_all=needs_all(answer.gold)), endpoint.model, parameters, PURPOSE)
        if answer.answer
        else None
        for answer in answers
    )
    return _LogToJudge(log, answers, requests)


def _needs_all_of(probe: str, log: AnswerLog) -> Callable[[tuple[str, ...]], bool]:
    """Return a function that tells if the probe's own score needs every gold text, or one of them.

    Raises:
        ReportError: no such probe is installed.
    """
    if probe not in POSITION_PROBES:
        raise ReportError(f"{log.path}: no position probe is called `{probe}`; install the package that has it")
    score = POSITION_PROBES[probe].score
    return lambda gold: score(gold, gold[0]) < 1


def _is_complete(one: _LogToJudge, outcomes: Mapping[bytes, Outcome]) -> bool:
    return all(request is None or request.key in outcomes for request in one.requests)


def _judged(one: _LogToJudge, judge: str, outcomes: Mapping[bytes, Outcome]) -> JudgedLog:
    """Write the verdicts on a log, and compare them with its scores."""
    rows = [
        _row(answer, judge, outcomes[request.key] if request else None)
        for answer, request in zip(one.answers, one.requests, strict=True)
    ]
    path = judged_path(one.log)
    write_judged(path, rows)
    pairs = tuple(zip(one.answers, rows, strict=True))
    differing = tuple(pair for pair in pairs if pair[1].verdict not in (None, pair[1].contained))
    reasons = Counter(row.reason for row in rows if row.verdict is None)
    return JudgedLog(one.log.task, path, len(rows), agreement_of(rows), dict(reasons.most_common()), differing)


def _row(answer: LoggedAnswer, judge: str, outcome: Outcome | None) -> JudgedAnswer:
    verdict = outcome if isinstance(outcome, bool) else False if outcome is None else None
    reason = EMPTY if outcome is None else outcome if isinstance(outcome, str) else ""
    return JudgedAnswer(answer.question, answer.length, answer.depth, verdict, answer.contained, judge, reason)
