"""Turn a passage into questions with a language model: ask, parse, retry once if unreadable, check, verify.

Invariant: the result depends only on the passage and the answers, so the answers of a work log give the same result
again. Cost per passage: one request, a second if the first answer is unreadable, and those of `verify`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from in2_plugin.config import QuestionsConfig
from in2_plugin.config.questions import Check
from in2_plugin.errors import EndpointError, one_line
from in2_plugin.llm.request import THOUGHTS, Ask, Completion, Request, RequestFailed
from in2_plugin.llm.usage import has_read_all, least_tokens
from in2_plugin.questions.model.checks import objection
from in2_plugin.questions.model.parsing import Pair, Unreadable, parse
from in2_plugin.questions.model.production import PassageResults
from in2_plugin.questions.model.prompts import make_prompt, response_format, retry_prompt
from in2_plugin.questions.model.verification import Distractor, is_answered, verify
from in2_plugin.questions.question import Passage, Question, Rejection

AnswerFormat = Literal["json_schema", "markers"]
DECLINED = {"refusal", "content_filter"}
LONGEST_EXCERPT = 100


class PromptCut(RequestFailed):
    """The server says that it has read fewer tokens than the prompt has."""

    def __init__(self, read: int, least: int) -> None:
        super().__init__("the server did not read the whole prompt, says its `usage.prompt_tokens`")
        self.counts = f"{read:,} tokens read of at least {least:,}"


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A model with its sampling parameters and the function that sends requests to it."""

    ask: Ask
    model: str
    parameters: Mapping[str, Any]


class Pipeline:
    """Makes the results of single passages."""

    def __init__(
        self, config: QuestionsConfig, writer: AskedModel, judge: AskedModel, answer_format: AnswerFormat, name: str
    ) -> None:
        self._config, self._writer, self._judge, self._format, self._name = config, writer, judge, answer_format, name

    def request(self, passage: Passage) -> Request:
        """Return the first request about a passage."""
        count = self._config.questions_per_call
        own = getattr(self._config.prompts, passage.kind)
        prompt = make_prompt(passage.kind, passage.texts, count, self._format, own, passage.draw)
        return self._make_request(passage, prompt)

    def _make_request(self, passage: Passage, prompt: str) -> Request:
        parameters = dict(self._writer.parameters)
        if self._format == "json_schema":
            parameters["response_format"] = response_format(passage.kind)
        return Request(prompt, self._writer.model, parameters, str(passage.kind), passage.draw)

    async def results(self, passage: Passage) -> PassageResults:
        """Return the questions and rejections of one passage, at least one.

        Raises:
            RunStopped, EndpointError, WorkLogError: as the caller that it asks.
        """
        request = self.request(passage)
        try:
            answer = await self._ask(self._writer, request)
            if answer.finish not in {*DECLINED, THOUGHTS}:
                try:
                    pairs = self._read(answer, passage)
                except Unreadable as unreadable:
                    request = self._make_request(passage, retry_prompt(request.prompt, str(unreadable)))
                    answer = await self._ask(self._writer, request)
            if answer.finish in DECLINED:
                return (self._reject(passage, request, "the model declined to answer", excerpt=answer.text),)
            pairs = self._read(answer, passage)
        except Unreadable as unreadable:
            return (self._reject(passage, request, f"unreadable answer: {unreadable}", excerpt=answer.text),)
        except PromptCut as cut:
            return (self._reject(passage, request, f"no answer: {cut}", excerpt=cut.counts),)
        except RequestFailed as failure:
            return (self._reject(passage, request, f"no answer: {failure}"),)
        if len(pairs) == 1:
            return (await self._judge_pair(passage, request, pairs[0]),)
        return tuple(await asyncio.gather(*(self._judge_pair(passage, request, pair) for pair in pairs)))

    async def _ask(self, model: AskedModel, request: Request) -> Completion:
        answer = await model.ask(request)
        if self._config.checks.whole_prompts and not answer.is_estimated:
            least = least_tokens(request.prompt)
            if not has_read_all(answer.input_tokens, least):
                raise PromptCut(answer.input_tokens, least)
        return answer

    def _read(self, answer: Completion, passage: Passage) -> tuple[Pair, ...]:
        if answer.finish == THOUGHTS:
            raise Unreadable("it is empty, and its text is in the field for thoughts (`reasoning_content`)")
        if answer.finish == "length":
            raise Unreadable("it was cut off at the limit of output tokens")
        return parse(answer.text, passage.kind, len(passage.texts))

    def _reject(
        self, passage: Passage, request: Request, reason: str, pair: Pair | None = None, excerpt: str = ""
    ) -> Rejection:
        question, answer = (pair.question, pair.answer) if pair else (None, None)
        excerpt = one_line(excerpt, LONGEST_EXCERPT)
        return Rejection(passage, reason, question, answer, self._name, request.key.hex(), excerpt)

    async def _judge_pair(self, passage: Passage, request: Request, pair: Pair) -> Question | Rejection:
        chosen = [number - 1 for number in sorted(set(pair.pieces))] if pair.pieces else range(len(passage.texts))
        gold = [passage.texts[i] for i in chosen]
        checks: Sequence[Check] = getattr(self._config.verify, passage.kind)
        reason = objection(pair, gold, self._config.checks)
        try:
            if not reason and checks:
                reason = await verify(pair.question, pair.answer, gold, checks, self._ask_judge)
        except RequestFailed as failure:
            reason = f"no answer of the judge: {failure}"
        if reason:
            return self._reject(passage, request, reason, pair)
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
        """Return True when the judge finds an answer in a filler, or gives no answer.

        Raises:
            EndpointError: the server of the judge did not read the whole prompt; it would cut those of all fillers.
            RunStopped, EndpointError, WorkLogError: as the caller that it asks.
        """
        try:
            return await is_answered(distractor, self._ask_judge)
        except PromptCut as cut:
            raise EndpointError(
                f"the judge {self._judge.model}: {cut} ({cut.counts}); raise its context window and serve it under "
                "another model name, so that stored answers are not used; or set "
                "`questions.checks.whole_prompts: false`"
            ) from None
        except RequestFailed:
            return True

    async def _ask_judge(self, prompt: str, purpose: str) -> str:
        answer = await self._ask(self._judge, Request(prompt, self._judge.model, self._judge.parameters, purpose))
        # an incomplete verdict does not count
        return "" if answer.finish in {*DECLINED, "length"} else answer.text
