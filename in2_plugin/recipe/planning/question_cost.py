"""What the questions of a build cost, without its corpus and without a tokenizer.

Pure. Invariant: calls are counted as `in2 estimate` counts them, for passages of the assumed size and questions of
which none is turned down; that command reads the corpus instead, and with `--calls` asks the endpoint.
"""

from dataclasses import dataclass

from in2_plugin.config import BuildConfig, Prices
from in2_plugin.llm.meter import price
from in2_plugin.llm.request import Usage
from in2_plugin.recipe.planning.assumed_data import DOCUMENT_TOKENS

SEGMENT = 1.25
"""A segment's length, relative to the least that it may have: 160 tokens for 128."""
INSTRUCTION_TOKENS = {"fine_grained": 250, "integration": 357}
"""Tokens of the prompt that asks for a question, without the passage."""
PAIR_TOKENS = 110
"""Tokens of a question with its answer of 40 words, as JSON."""
JUDGE_TOKENS, VERDICT_TOKENS = 72, 4
"""Tokens of a judge's prompt without the text that it is shown, and of a verdict."""
SAID_TOKENS = 78
"""Tokens of an answer that a judge gives."""
GOLDS = 2
"""Segments that an integration question needs."""


@dataclass(frozen=True, slots=True)
class QuestionCost:
    """The question stage of a build."""

    questions: int
    writer: Usage
    judge: Usage
    money: float | None
    """None where a model that is asked has no prices."""
    currency: str

    @property
    def calls(self) -> int:
        """Requests; none where the writer is no model."""
        return self.writer.answers + self.judge.answers


def question_cost(config: BuildConfig) -> QuestionCost:
    """Calls, tokens and money of all questions."""
    kinds = _by_kind(config)
    writer, judge = Usage(), Usage()
    if config.questions.writer_spec.asks_model:
        for kind, wanted in kinds.items():
            writer.add(_written(config, kind, wanted))
            judge.add(_judged(config, kind, wanted))
    own, others = _prices(config)
    money = _money(writer, own) + _money(judge, others) if own and (others or not judge.answers) else None
    return QuestionCost(sum(kinds.values()), writer, judge, money, own.currency if own else "")


def _by_kind(config: BuildConfig) -> dict[str, int]:
    from in2_plugin.pipeline.passages import questions_by_kind

    return {str(kind): number for kind, number in questions_by_kind(config).items()}


def _segment(config: BuildConfig) -> float:
    return SEGMENT * config.corpus.segment_tokens


def _written(config: BuildConfig, kind: str, wanted: int) -> Usage:
    calls = -(-wanted // config.questions.questions_per_call)
    passage = _segment(config) if kind == "fine_grained" else DOCUMENT_TOKENS
    return Usage(calls, round(calls * (INSTRUCTION_TOKENS[kind] + passage)), wanted * PAIR_TOKENS)


def _judged(config: BuildConfig, kind: str, wanted: int) -> Usage:
    """The checks by a model, and the fillers that it reads."""
    golds = 1 if kind == "fine_grained" else GOLDS
    segment, use = _segment(config), Usage()
    shown = {"answerable": (1, golds * segment, SAID_TOKENS), "closed_book": (1, 0, VERDICT_TOKENS),
             "needs_all": (golds, segment, VERDICT_TOKENS)}  # fmt: skip
    asked = [shown[check] for check in getattr(config.questions.verify, kind)]
    for times, text, said in [*asked, (config.distractors.judge_hardest, segment, VERDICT_TOKENS)]:
        calls = wanted * times
        use.add(Usage(calls, round(calls * (JUDGE_TOKENS + text)), calls * said))
    return use


def _prices(config: BuildConfig) -> tuple[Prices | None, Prices | None]:
    """Of the model that writes, and of the one that judges."""
    questions = config.questions
    own = questions.endpoint.prices if questions.endpoint else None
    return own, questions.verify.judge.prices if questions.verify.judge else own


def _money(use: Usage, prices: Prices | None) -> float:
    return price(use, prices) if prices else 0.0
