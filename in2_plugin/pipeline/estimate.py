"""Estimate the requests, tokens and money that the questions of a build cost, from passages of its own corpus.

The real pipeline runs over a sample of passages, with assumed answers or, on request, with the endpoint. `in2 estimate`
and `in2 build` print numbers of the same function. Invariant: nothing is paid for without `calls`, and paid answers go
into the work log of the build, which does not pay for them again. Cost without calls: the time to cut the sample, a few
seconds; half a second for a build, whose corpus is cut.
"""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from in2_plugin import layout
from in2_plugin.config import BuildConfig, Prices, QuestionsConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import TextTokenizer, load_tokenizer
from in2_plugin.dataset.build_record import make_folder
from in2_plugin.errors import ConfigError, NotEnoughQuestions
from in2_plugin.io.lock import folder_lock
from in2_plugin.llm.request import Completion, Request, Usage
from in2_plugin.llm.usage import price
from in2_plugin.pipeline.passages import part_passages, questions_by_kind, wanted_questions
from in2_plugin.pipeline.run import say_on_stderr
from in2_plugin.pipeline.sample_store import sample_store
from in2_plugin.questions import Kind, Part, Passage, Question
from in2_plugin.questions.judge_cost import judge_usage
from in2_plugin.questions.model.pipeline import AskedModel, Pipeline
from in2_plugin.questions.model.writer import ModelWriter, Trial

SAMPLE_PASSAGES = 200
BUILD_PASSAGES = 40
"""Passages per kind that a build looks at before its first call."""
CONFIDENCE = 1.96
"""Half-width of a 95% confidence interval, in standard errors."""
ASSUMED_ANSWER_WORDS = 40
MESSAGE_TOKENS = 8
"""Approximate tokens of a chat template around one user message."""


@dataclass(frozen=True, slots=True)
class KindEstimate:
    """Cost of one kind of question in the whole build."""

    kind: Kind
    questions: int
    sampled: int
    """Passages in the sample."""
    calls: float
    writer: Usage
    judge: Usage
    spread: float
    """Relative half-width of the 95% confidence interval of the tokens."""

    @property
    def input_tokens(self) -> int:
        return self.writer.input_tokens + self.judge.input_tokens

    @property
    def output_tokens(self) -> int:
        return self.writer.output_tokens + self.judge.output_tokens


@dataclass(frozen=True, slots=True)
class Estimate:
    """Cost of the questions of the whole mixture."""

    lines: tuple[KindEstimate, ...]
    measured: bool
    """True when the endpoint was asked; otherwise the answers are assumed."""
    rejections: Counter[str]
    """Number of rejected questions by reason."""
    prices: Prices | None
    judge_prices: Prices | None

    @property
    def calls(self) -> float:
        """Calls for all kinds."""
        return sum(line.calls for line in self.lines)

    @property
    def input_tokens(self) -> int:
        return sum(line.input_tokens for line in self.lines)

    @property
    def output_tokens(self) -> int:
        return sum(line.output_tokens for line in self.lines)

    @property
    def estimated(self) -> int:
        """Answers of the endpoint whose tokens it did not report, scaled up like the tokens."""
        return sum(line.writer.estimated + line.judge.estimated for line in self.lines)

    @property
    def total(self) -> float | None:
        """Return the cost of all kinds, or None when a model that they ask has no prices."""
        costs = [self.money(line) for line in self.lines]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def money(self, line: KindEstimate) -> float | None:
        """Return the cost of one kind, or None when a model that it asks has no prices."""
        if self.prices is None or (line.judge.answers and self.judge_prices is None):
            return None
        return price(line.writer, self.prices) + (price(line.judge, self.judge_prices) if self.judge_prices else 0.0)


def estimate_build(config: BuildConfig, calls: int = 0) -> Estimate:
    """Estimate the question stage of a build.

    Args:
        calls: passages per kind to send to the endpoint; 0 assumes the answers.

    Raises:
        ConfigError: the writer asks no language model, or is asked for no questions.
        CorpusError: the corpus cannot be read.
        NotEnoughQuestions: no answer gave a question.
    """
    questions = config.questions
    if not questions.writer_spec.asks_model:
        raise ConfigError(f"`writer: {questions.writer}` asks no language model; there is nothing to estimate")
    if not any(questions_by_kind(config.mixture).values()):
        raise ConfigError("`mixture` has no questions for a language model to write; there is nothing to estimate")
    tokenizer = load_tokenizer(config.tokenizer)
    with sample_store(config.output, config.corpus, config.seed, tokenizer) as store:
        return estimate_questions(config, store, tokenizer, SAMPLE_PASSAGES, calls)


def estimate_questions(
    config: BuildConfig, store: SegmentStore, tokenizer: TextTokenizer, sample: int = BUILD_PASSAGES, calls: int = 0
) -> Estimate:
    """Estimate the question stage from the segments of `store`.

    Args:
        sample: passages per kind with assumed answers, when `calls` is 0.

    Raises:
        NotEnoughQuestions: the corpus has no passage of a kind, or no answer gave a question.
    """
    questions = config.questions
    wanted = questions_by_kind(config.mixture)
    rejections: Counter[str] = Counter()
    lines = []
    for kind in (kind for kind in Kind if wanted[kind]):
        trials = _trials(config, store, tokenizer, kind, sample, calls)
        rejections.update(r.reason for t in trials for r in t.results if not isinstance(r, Question))
        line = _line(kind, wanted[kind], trials, rejections)
        lines.append(_with_distractors(line, config, float(store.n_tokens.mean())))
    prices = questions.endpoint.prices if questions.endpoint else None
    judge = questions.verify.judge
    return Estimate(
        lines=tuple(lines),
        measured=bool(calls),
        rejections=rejections,
        prices=prices,
        judge_prices=judge.prices if judge else prices,
    )


def _trials(
    config: BuildConfig, store: SegmentStore, tokenizer: TextTokenizer, kind: Kind, sampled: int, calls: int
) -> Sequence[Trial]:
    # with the store of the build, these are the first passages that the build asks about
    passages = part_passages(store, Part(kind), kind, config.lengths, config.seed)
    sample = list(islice(passages, calls or sampled))
    if not sample:
        raise NotEnoughQuestions(f"the beginning of the corpus has no passage for `mixture.{kind}`; add text")
    if not calls:
        return asyncio.run(_assumed(config.questions, sample, tokenizer))
    make_folder(config.output)
    log = config.output / layout.WORK_LOG
    with folder_lock(config.output), ModelWriter(config.questions, log, say_on_stderr) as writer:
        return writer.trials(sample)


async def _assumed(config: QuestionsConfig, sample: Sequence[Passage], tokenizer: TextTokenizer) -> list[Trial]:
    def tokens(text: str) -> int:
        return tokenizer.count([text])[0] + MESSAGE_TOKENS

    async def one(passage: Passage) -> Trial:
        cost = {"writer": Usage(), "judge": Usage()}

        def assumed_model(role: str) -> AskedModel:
            async def ask(request: Request) -> Completion:
                text = _assumed_answer(request, passage, config.questions_per_call)
                answer = Completion(text, "stop", tokens(request.prompt), tokens(text))
                cost[role].add(answer)
                return answer

            return AskedModel(ask, "assumed", {})

        pipeline = Pipeline(config, assumed_model("writer"), assumed_model("judge"), "json_schema", "assumed")
        return Trial(await pipeline.results(passage), cost["writer"], cost["judge"])

    return [await one(passage) for passage in sample]


def _assumed_answer(request: Request, passage: Passage, count: int) -> str:
    """Return an answer of typical length from words of the passage; the judge agrees, and knows nothing without it."""
    if request.purpose in {"closed_book", "needs_all"}:
        return "UNANSWERABLE"
    if request.purpose == "agreement":
        return "SAME"
    words = " ".join(passage.texts).split()
    answer = " ".join(words[:ASSUMED_ANSWER_WORDS])[:600]
    if request.purpose == "answerable":
        return answer
    pair = {"question": f"What is known of {' '.join(words[-12:])[:120]}?", "answer": answer}
    if passage.kind is Kind.INTEGRATION:
        pair["pieces"] = [1, 2]  # type: ignore[assignment]
    return json.dumps({"questions": [pair] * count}, ensure_ascii=False)


def _line(kind: Kind, wanted: int, trials: Sequence[Trial], rejections: Counter[str]) -> KindEstimate:
    """Scale a sample up to `wanted` questions: tokens per kept question times the number of questions."""
    kept = np.array([sum(isinstance(r, Question) for r in trial.results) for trial in trials], float)
    if not kept.sum():
        reason = rejections.most_common(1)[0][0]
        raise NotEnoughQuestions(
            f"none of {len(trials)} {kind.replace('_', '-')} passages gave a question, most often because {reason}; "
            "look at the answers with `in2 preview`"
        )
    tokens = np.array([trial.writer.tokens + trial.judge.tokens for trial in trials], float)
    each = tokens.sum() / kept.sum()
    # standard error of a ratio of two sums: from the residual of each passage
    error = np.std(tokens - each * kept, ddof=1) / (kept.mean() * math.sqrt(len(trials))) if len(trials) > 1 else 0.0
    factor = wanted / kept.sum()
    writer, judge = (_scaled([getattr(trial, who) for trial in trials], factor) for who in ("writer", "judge"))
    calls = (sum(trial.writer.answers + trial.judge.answers for trial in trials)) * factor
    spread = float(CONFIDENCE * error / each) if each else 0.0
    return KindEstimate(kind, wanted, len(trials), calls, writer, judge, spread)


def _with_distractors(line: KindEstimate, config: BuildConfig, segment_tokens: float) -> KindEstimate:
    """Add the requests about fillers: one each, with the question and one segment."""
    long = next(
        n for part, kind, n in wanted_questions(config.mixture) if part is Part(line.kind) and kind is line.kind
    )
    calls = long * config.distractors.judge_hardest
    judge = Usage()
    judge.add(line.judge)
    judge.add(judge_usage(calls, segment_tokens))
    return replace(line, calls=line.calls + calls, judge=judge)


def _scaled(uses: Sequence[Usage], factor: float) -> Usage:
    return Usage(
        round(sum(use.answers for use in uses) * factor),
        round(sum(use.input_tokens for use in uses) * factor),
        round(sum(use.output_tokens for use in uses) * factor),
        round(sum(use.estimated for use in uses) * factor),
    )
