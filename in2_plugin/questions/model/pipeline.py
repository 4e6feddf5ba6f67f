"""From a passage to questions with a language model: ask, read, ask once more if unreadable, check, verify.

Invariant: the result is a function of the passage and the answers alone, so that asking again with the answers of a
work log gives the same result. Cost a passage: one call, a second if the first answer is unreadable, and those of
`verify`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from in2_plugin.config import QuestionsConfig
from in2_plugin.config.questions import Check
from in2_plugin.llm.request import Ask, Completion, Request, RequestFailed
from in2_plugin.questions.model.checks import objection
from in2_plugin.questions.model.parsing import Pair, Unreadable, parse
from in2_plugin.questions.model.production import PassageResults
from in2_plugin.questions.model.prompts import make_prompt, response_format, retry_prompt
from in2_plugin.questions.model.verification import Distractor, is_answered, verify
from in2_plugin.questions.question import Passage, Question, Rejection

AnswerFormat = Literal["json_schema", "markers"]
DECLINED = {"refusal", "content_filter"}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A model, how it is asked, and by whom."""

    ask: Ask
    model: str
    parameters: Mapping[str, Any]


class Pipeline:
    """Makes the results of one passage."""

    def __init__(
        self, config: QuestionsConfig, writer: Speaker, judge: Speaker, answer_format: AnswerFormat, name: str
    ) -> None:
        self._config, self._writer, self._judge, self._format, self._name = config, writer, judge, answer_format, name

    def request(self, passage: Passage) -> Request:
        """The first call about a passage."""
        count = self._config.questions_per_call
        own = getattr(self._config.prompts, passage.kind)
        prompt = make_prompt(passage.kind, passage.texts, count, self._format, own, passage.draw)
        return self._asking(passage, prompt)

    def _asking(self, passage: Passage, prompt: str) -> Request:
        parameters = dict(self._writer.parameters)
        if self._format == "json_schema":
            parameters["response_format"] = response_format(passage.kind)
        return Request(prompt, self._writer.model, parameters, str(passage.kind), passage.draw)

    async def results(self, passage: Passage) -> PassageResults:
        """Questions and rejections about one passage: at least one of them.

        Raises:
            RunStopped, EndpointError, WorkLogError: as the caller that it asks.
        """
        request = self.request(passage)
        try:
            answer = await self._writer.ask(request)
            if answer.finish not in DECLINED:
                try:
                    pairs = self._read(answer, passage)
                except Unreadable as unreadable:
                    request = self._asking(passage, retry_prompt(request.prompt, str(unreadable)))
                    answer = await self._writer.ask(request)
            if answer.finish in DECLINED:
                return (self._turn_down(passage, request, "the model declined to answer"),)
            pairs = self._read(answer, passage)
        except Unreadable as unreadable:
            return (self._turn_down(passage, request, f"unreadable answer: {unreadable}"),)
        except RequestFailed as failure:
            return (self._turn_down(passage, request, f"no answer: {failure}"),)
        if len(pairs) == 1:
            return (await self._judged(passage, request, pairs[0]),)
        return tuple(await asyncio.gather(*(self._judged(passage, request, pair) for pair in pairs)))

    def _read(self, answer: Completion, passage: Passage) -> tuple[Pair, ...]:
        if answer.finish == "length":
            raise Unreadable("it was cut off at the limit of output tokens")
        return parse(answer.text, passage.kind, len(passage.texts))

    def _turn_down(self, passage: Passage, request: Request, reason: str, pair: Pair | None = None) -> Rejection:
        question, answer = (pair.question, pair.answer) if pair else (None, None)
        return Rejection(passage, reason, question, answer, self._name, request.key.hex())

    async def _judged(self, passage: Passage, request: Request, pair: Pair) -> Question | Rejection:
        chosen = [number - 1 for number in sorted(set(pair.pieces))] if pair.pieces else range(len(passage.texts))
        gold = [passage.texts[i] for i in chosen]
        checks: Sequence[Check] = getattr(self._config.verify, passage.kind)
        reason = objection(pair, gold, self._config.checks)
        try:
            if not reason and checks:
                reason = await verify(pair.question, pair.answer, gold, checks, self._say)
        except RequestFailed as failure:
            reason = f"no answer of the judge: {failure}"
        if reason:
            return self._turn_down(passage, request, reason, pair)
        return Question(
            kind=passage.kind,
            form=f"written_{passage.kind}",
            question=pair.question,
            answer=pair.answer,
            document=passage.document,
            segment_ids=passage.context,
            gold=tuple(passage.segment_ids[i] for i in chosen),
            exclusive=(),
            writer=self._name,
            short_context=bool(passage.whole),
            verified=tuple(checks),
            request=request.key.hex(),
        )

    async def distracts(self, distractor: Distractor) -> bool:
        """Whether the judge finds an answer in a filler, or does not say.

        Raises:
            RunStopped, EndpointError, WorkLogError: as the caller that it asks.
        """
        try:
            return await is_answered(distractor, self._say)
        except RequestFailed:
            return True

    async def _say(self, prompt: str, purpose: str) -> str:
        answer = await self._judge.ask(Request(prompt, self._judge.model, self._judge.parameters, purpose))
        # half a verdict is none
        return "" if answer.finish in {*DECLINED, "length"} else answer.text
