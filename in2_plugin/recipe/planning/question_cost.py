"""Estimate the cost of a build's questions, without its corpus and without a tokenizer.

Counts calls as `in2 estimate` does, for passages of an assumed length and without rejected questions. `in2 estimate`
reads the corpus instead, and with `--calls` asks the endpoint.
"""

from dataclasses import dataclass

from in2_plugin.config import BuildConfig, Prices
from in2_plugin.llm.request import Usage
from in2_plugin.llm.usage import price
from in2_plugin.questions.judge_cost import VERDICT_TOKENS, judge_usage
from in2_plugin.recipe.planning.assumed_data import DOCUMENT_TOKENS

SEGMENT_LENGTH = 1.25
"""Tokens of a segment, relative to `segment_tokens`, its minimum: 160 for 128."""
PROMPT_TOKENS = {"fine_grained": 250, "integration": 357}
"""Tokens of the prompt for a question, without the passage."""
PAIR_TOKENS = 110
"""Tokens of a question and its answer of 40 words, as JSON."""
JUDGE_ANSWER_TOKENS = 78
"""Tokens of an answer that a judge gives."""
GOLD_SEGMENTS = 2
"""Segments that an integration question needs."""


@dataclass(frozen=True, slots=True)
class QuestionCost:
    """The cost of a build's question stage."""

    questions: int
    writer: Usage
    judge: Usage
    money: float | None
    """None if a model has no prices."""
    currency: str

    @property
    def calls(self) -> int:
        """Requests to models; 0 for the extractive writer."""
        return self.writer.answers + self.judge.answers


def question_cost(config: BuildConfig) -> QuestionCost:
    """Return calls, tokens and money for all questions."""
    kinds = _by_kind(config)
    writer, judge = Usage(), Usage()
    if config.questions.writer != "extractive":
        for kind, wanted in kinds.items():
            writer.add(_writer_usage(config, kind, wanted))
            judge.add(_judge_usage(config, kind, wanted))
    own, others = _prices(config)
    money = _money(writer, own) + _money(judge, others) if own and (others or not judge.answers) else None
    return QuestionCost(sum(kinds.values()), writer, judge, money, own.currency if own else "")


def _by_kind(config: BuildConfig) -> dict[str, int]:
    from in2_plugin.pipeline.passages import questions_by_kind

    return {str(kind): number for kind, number in questions_by_kind(config.mixture).items()}


def _segment_tokens(config: BuildConfig) -> float:
    return SEGMENT_LENGTH * config.corpus.segment_tokens


def _writer_usage(config: BuildConfig, kind: str, wanted: int) -> Usage:
    calls = -(-wanted // config.questions.questions_per_call)
    passage = _segment_tokens(config) if kind == "fine_grained" else DOCUMENT_TOKENS
    return Usage(calls, round(calls * (PROMPT_TOKENS[kind] + passage)), wanted * PAIR_TOKENS)


def _judge_usage(config: BuildConfig, kind: str, wanted: int) -> Usage:
    """Return the usage of the checks by a model, and of judging fillers."""
    golds = 1 if kind == "fine_grained" else GOLD_SEGMENTS
    segment, usage = _segment_tokens(config), Usage()
    calls_of = {"answerable": (1, golds * segment, JUDGE_ANSWER_TOKENS), "closed_book": (1, 0, VERDICT_TOKENS),
                "needs_all": (golds, segment, VERDICT_TOKENS)}  # fmt: skip
    asked = [calls_of[check] for check in getattr(config.questions.verify, kind)]
    for times, shown, completion in [*asked, (config.distractors.judge_hardest, segment, VERDICT_TOKENS)]:
        usage.add(judge_usage(wanted * times, shown, completion))
    return usage


def _prices(config: BuildConfig) -> tuple[Prices | None, Prices | None]:
    """Return the prices of the writer and of the judge."""
    questions = config.questions
    own = questions.endpoint.prices if questions.endpoint else None
    return own, questions.verify.judge.prices if questions.verify.judge else own


def _money(usage: Usage, prices: Prices | None) -> float:
    return price(usage, prices) if prices else 0.0
