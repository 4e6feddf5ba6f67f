"""Connect to the model that writes and the model that judges, and make the pipeline over both.

Invariant: with the same work log, a model always gets the same answer format, so that a resumed run sends the same
requests. All objects belong to one event loop, except `meter`.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

from in2_plugin.config import EndpointConfig, Prices, QuestionsConfig, VllmConfig
from in2_plugin.errors import EndpointError
from in2_plugin.llm.budget import Budget, Spending
from in2_plugin.llm.caller import Caller
from in2_plugin.llm.meter import Meter, PricedModel
from in2_plugin.llm.request import BATCH_PURPOSE, Ask, Completion, Request, RequestFailed, Transport, Usage
from in2_plugin.llm.usage import price
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.questions.model.pipeline import AnswerFormat, AskedModel, Pipeline
from in2_plugin.questions.question import Kind, Passage

ModelConfig = EndpointConfig | VllmConfig
OPEN_BATCHES = 8
"""Batches in progress at a time. A batch takes up to a day; a waiting passage takes about 8 KB."""
FORMAT_REFUSED = {400, 415, 422, 501}
"""HTTP status codes with which servers reject an unknown response format."""


class Models:
    """Transports and callers for the models of a `questions` section."""

    def __init__(
        self,
        config: QuestionsConfig,
        log: WorkLog,
        name: str,
        say: Callable[[str], None] = lambda line: None,
        *,
        on_ray: bool = False,
        jobs: int = 1,
    ) -> None:
        """Prepare the connections.

        Args:
            say: shows the user one line, when a server of a pool fails or recovers.
            on_ray: this process is connected to a Ray cluster, on which `writer: vllm` runs.
            jobs: number of array jobs that share the limits of calls and money.

        Raises:
            MissingExtra: a required package is not installed.
            ConfigError: an API key is missing, or a URL is invalid.
        """
        self._config, self._log, self._name = config, log, name
        self._writer = model_config(config)
        self._judge: ModelConfig = config.verify.judge or self._writer
        self._on_ray = on_ray
        self._transports = [make_transport(self._writer, log, say, on_ray=on_ray)]
        if config.verify.judge:
            self._transports.append(make_transport(config.verify.judge, log, say))
        prices = [prices_of(model) for model in (self._writer, self._judge)]
        budget = _budget(config, log, jobs)
        if config.max_cost is not None and (unknown := log.answers_without_usage()):
            say(
                f"`questions.max_cost` counts {unknown:,} stored answers as free: an earlier version stored them "
                "without token counts, because the server reported none"
            )
        callers = [
            Caller(log, transport, budget, own) for transport, own in zip(self._transports, prices, strict=False)
        ]
        self._ask_writer, self._ask_judge = callers[0].ask, callers[-1].ask
        self.meter = Meter(
            [
                PricedModel(caller, own, transport.traffic)
                for caller, own, transport in zip(callers, prices, self._transports, strict=False)
            ]
        )

    def pipeline(
        self, answer_format: AnswerFormat, written: Usage | None = None, judged: Usage | None = None
    ) -> Pipeline:
        """Return a pipeline for answers of this format, which adds its usage to `written` and `judged`."""
        writer = AskedModel(_counted(self._ask_writer, written), self._writer.model, _parameters(self._writer))
        # verdicts should not be random
        cool = {"temperature": 0} if "temperature" in self._judge.parameters else {}
        judge = AskedModel(_counted(self._ask_judge, judged), self._judge.model, {**_parameters(self._judge), **cool})
        return Pipeline(self._config, writer, judge, answer_format, self._name)

    async def answer_format(self, first: Passage) -> AnswerFormat:
        """Return the answer format: from the build file, from the work log, or by asking about the first passage.

        Raises:
            EndpointError: the request fails in both formats.
        """
        config = self._writer
        if config.answer_format != "auto":
            return config.answer_format
        fact = f"answer_format {config.model}"
        if settled := self._log.fact(fact):
            return "json_schema" if settled == "json_schema" else "markers"
        if config.mode == "batch":
            return "json_schema"  # a trial request in a batch would take up to a day
        found = await self._first_accepted(first, config)
        self._log.set_fact(fact, found)
        return found

    async def _first_accepted(self, first: Passage, config: EndpointConfig) -> AnswerFormat:
        try:
            await self._ask_writer(self.pipeline("json_schema").request(first))
            return "json_schema"
        except RequestFailed as refusal:
            if getattr(refusal, "status", None) not in FORMAT_REFUSED:
                raise EndpointError(_first_failed(config, str(refusal))) from None
            refused = str(refusal)
        try:
            await self._ask_writer(self.pipeline("markers").request(first))
            return "markers"
        except RequestFailed as again:
            reasons = f"with a JSON schema: {refused}; without one: {again}"
            raise EndpointError(_first_failed(config, reasons)) from None

    def stop(self) -> None:
        """Stop sending requests."""
        for transport in self._transports:
            transport.stop()

    def resume(self) -> None:
        """Resume sending requests."""
        for transport in self._transports:
            transport.resume()

    async def close(self) -> None:
        """Close all connections, and wait until the log has stored everything."""
        for transport in self._transports:
            await transport.close()
        await self._log.flush()

    @property
    def open_at_once(self) -> int:
        """Passages in progress at a time, enough that the transport never waits for one."""
        if isinstance(self._writer, VllmConfig):
            # on Ray answers arrive one by one, so the queue of the next job fills while one runs
            return self._writer.ray.requests_per_job if self._on_ray else 2 * self._writer.batch_requests
        if self._writer.mode == "batch":
            return OPEN_BATCHES * self._writer.batch_requests
        return 2 * self._writer.concurrency.max * len(self._writer.addresses)

    @property
    def stopping(self) -> str:
        """Message for a user who stops the run."""
        if isinstance(self._writer, EndpointConfig) and self._writer.mode == "batch":
            return "stopping: open batches stay with the server; the next run collects them"
        return "stopping: waiting for the answers under way (press Ctrl-C again to give them up)"


def model_config(config: QuestionsConfig) -> ModelConfig:
    """Return the section of the model that writes; validation guarantees it for writers that ask a model."""
    assert config.model, f"`writer: {config.writer}` declares no model section"
    return config.model


def prices_of(config: ModelConfig) -> Prices | None:
    """Return the prices of a model section; None for a model of one's own, and when they are not given."""
    return config.prices if isinstance(config, EndpointConfig) else None


def _budget(config: QuestionsConfig, log: WorkLog, jobs: int) -> Budget:
    """Return the limits that are left to this process, with what its own work log has cost so far."""
    writer = model_config(config)
    prices = prices_of(writer)
    is_batch = isinstance(writer, EndpointConfig) and writer.mode == "batch"
    currency = prices.currency if prices else ""
    return Budget(
        config.max_calls,
        config.max_cost,
        _spent(config, log.totals()),
        currency,
        waits=not is_batch,
        jobs=jobs,
        shared=_spent(config, log.known_totals()),
    )


def _spent(config: QuestionsConfig, totals: Mapping[str, Usage]) -> Spending:
    spent, writer = Spending(), model_config(config)
    for purpose, use in totals.items():
        prices = prices_of(writer if purpose in {*Kind, BATCH_PURPOSE} else config.verify.judge or writer)
        spent.calls += use.answers
        spent.cost += price(use, prices) if prices else 0.0
    return spent


def make_transport(config: ModelConfig, log: WorkLog, say: Callable[[str], None], *, on_ray: bool = False) -> Transport:
    """Return the transport for a model section of the build file.

    Raises:
        MissingExtra: a required package is not installed.
        ConfigError: the API key is missing, or the URL is invalid.
    """
    if isinstance(config, VllmConfig):
        if on_ray:
            from in2_plugin.llm.vllm.ray import RayVllmTransport

            return RayVllmTransport(config)
        from in2_plugin.llm.vllm.offline import OfflineVllmTransport

        return OfflineVllmTransport(config)
    if config.mode == "batch":
        from in2_plugin.llm.batch.transport import BatchEndpoint

        return BatchEndpoint(config, log)
    if len(config.addresses) > 1:
        from in2_plugin.llm.endpoint.pool import EndpointPool

        return EndpointPool(config, random.Random(), notify=say)
    from in2_plugin.llm.endpoint.client import LiveEndpoint

    return LiveEndpoint(config, random.Random())


def _parameters(config: ModelConfig) -> Mapping[str, Any]:
    return {**config.parameters, **getattr(config, "extra_body", {})}


def _counted(ask: Ask, use: Usage | None) -> Ask:
    if use is None:
        return ask

    async def counted(request: Request) -> Completion:
        answer = await ask(request)
        use.add(answer)
        return answer

    return counted


def _first_failed(config: EndpointConfig, reason: str) -> str:
    return (
        f"{', '.join(config.addresses)}: did not answer the first request to {config.model} ({reason}); "
        "correct `questions.endpoint` and run again"
    )
