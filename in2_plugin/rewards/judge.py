"""Reward free answers that a language model judges right.

IN2_JUDGE=judge.yml names a file with the keys of an endpoint, a `folder` for the work log, and `max_calls`. Invariants:
every verdict is durable before it counts, so that a run that is started again pays for no answer twice; the calls of
all ranks together stay within `max_calls`, over all runs on the folder. Cost: on each rank, one call per distinct pair
of question and answer that is neither empty nor equal to the stored answer; the training waits for it.
"""

import atexit
import math
import os
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from in2_plugin import layout
from in2_plugin.config import EndpointConfig
from in2_plugin.errors import ConfigError, one_line
from in2_plugin.llm.request import Request
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.probing.judging.logged_answers import LoggedAnswer
from in2_plugin.probing.judging.session import JudgeConfig, JudgeSession, Outcome
from in2_plugin.probing.judging.verdict import judge_prompt
from in2_plugin.prompt_text import BEFORE_QUESTION, CITING
from in2_plugin.rewards.correctness import Rewards, agreement
from in2_plugin.rewards.reply import Text, reply_of, text_of

VARIABLE = "IN2_JUDGE"
PURPOSE = "reward"


def judged_answer(
    prompts: Sequence[Text], completions: Sequence[Text], answer: Sequence[str | None], **_: object
) -> Rewards:
    """Return 1 for an answer that the judge calls right, 0 for a wrong one, and None without a verdict.

    Raises:
        ConfigError: IN2_JUDGE is not set, or its file is not valid.
        SpendingStopped: `max_calls` or `max_cost` is reached, or too few of the judge's answers are verdicts.
        EndpointError, FolderLocked, WorkLogError: the judge cannot be asked; all answers so far are stored.
    """
    judge = _judge(os.environ.get(VARIABLE, ""))
    rows = list(zip(prompts, completions, answer, strict=True))
    known = [None if gold is None else _known(gold, reply_of(prompt, said).answer) for prompt, said, gold in rows]
    asked = [
        judge.request(prompt, said, gold) if gold is not None and reward is None else None
        for (prompt, said, gold), reward in zip(rows, known, strict=True)
    ]
    verdicts = judge.verdicts([request for request in asked if request])
    return [
        _as_reward(verdicts[request.key]) if request else reward for request, reward in zip(asked, known, strict=True)
    ]


def _known(gold: str, given: str) -> float | None:
    """Return the reward that needs no call, or None."""
    return 0.0 if not given else 1.0 if agreement(gold, given) == 1 else None


def _as_reward(outcome: Outcome) -> float | None:
    return float(outcome) if isinstance(outcome, bool) else None


class RewardJudge:
    """A judge with an open work log, for the whole process."""

    def __init__(self, config: JudgeConfig, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._config, self._folder = config, folder
        self._session = JudgeSession(config, [folder], print).__enter__()
        atexit.register(self.close)

    def close(self) -> None:
        """Close the work log; a judge that is closed cannot be asked."""
        self._session.__exit__(None, None, None)
        atexit.unregister(self.close)

    def request(self, prompt: Text, completion: Text, gold: str) -> Request:
        """Return the request about one completion."""
        question = text_of(prompt).rpartition(BEFORE_QUESTION)[2].partition(CITING)[0]
        given = reply_of(prompt, completion).answer
        answer = LoggedAnswer(PURPOSE, 0, 0, 0, question, (gold,), given, contained=False)
        endpoint = self._config.endpoint
        parameters = {**endpoint.parameters, **endpoint.extra_body}
        return Request(judge_prompt(answer, needs_all=True), endpoint.model, parameters, PURPOSE)

    def verdicts(self, requests: Sequence[Request]) -> dict[bytes, Outcome]:
        """Return the outcome of each request by its key."""
        outcomes: dict[bytes, Outcome] = {}
        if requests:
            self._session.judge([(self._folder, request) for request in requests], outcomes.__setitem__)
        return outcomes


@cache
def _judge(path: str) -> RewardJudge:
    """Open the judge of a file, with this rank's folder and its share of the limits."""
    if not path:
        raise ConfigError(f"the reward `judged_answer` needs a judge; set {VARIABLE} to a file (docs/rewards.md)")
    section = _read(Path(path))
    folder, calls, cost = section.pop("folder", None), section.pop("max_calls", None), section.pop("max_cost", None)
    ranks, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if not folder or type(calls) is not int or calls < ranks:
        raise ConfigError(
            f"{path}: set `folder`, where verdicts are stored, and `max_calls`, the most paid calls of all ranks, at "
            f"least one for each of {ranks}"
        )
    endpoint = EndpointConfig.parse(section, path)
    share = None if cost is None else _amount(cost, endpoint, path) / ranks
    _refuse_other_ranks(Path(folder), ranks)
    config = JudgeConfig(endpoint, calls // ranks, share, limits=("max_calls", "max_cost"))
    return RewardJudge(config, Path(folder) / f"rank-{rank}-of-{ranks}")


def _amount(cost: Any, endpoint: EndpointConfig, path: str) -> float:
    """Return `max_cost` of the file `path`, checked."""
    if type(cost) not in (int, float) or not 0 < cost < math.inf:
        raise ConfigError(f"{path}: `max_cost: {cost}` is not an amount above 0; write e.g. `max_cost: 20.0`")
    if endpoint.prices is None:
        raise ConfigError(f"{path}: `max_cost` needs `prices`; give them, or leave the limit to `max_calls`")
    return float(cost)


def _refuse_other_ranks(folder: Path, ranks: int) -> None:
    """Raise if a run on another number of ranks has paid calls here: its shares of the limits were others."""
    logs = folder.glob(f"rank-*-of-*/{layout.JUDGE_LOG}")
    # a run that failed before its first call leaves an empty log
    others = [log.parent.name for log in logs if not log.parent.name.endswith(f"-of-{ranks}") and _has_answers(log)]
    if others:
        raise ConfigError(
            f"{folder}: has verdicts of a run on another number of ranks ({others[0]}), and this one has {ranks}; set "
            "another `folder`, with a `max_calls` for this run"
        )


def _has_answers(path: Path) -> bool:
    with closing(WorkLog(path, read_only=True)) as log:
        return bool(log.totals())


def _read(path: Path) -> dict[str, Any]:
    try:
        section = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read ({one_line(error)}); correct {VARIABLE}") from error
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: is not a mapping of keys; write `model: ...`, `folder: ...`, `max_calls: ...`")
    return section
