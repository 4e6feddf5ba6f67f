"""Requests to copies of vLLM on the GPUs of a Ray cluster, a Ray Data job of up to 100,000 requests at a time.

The job has a process of its own, on this node; its rows come back block by block and settle their requests at once, so
that a killed build loses the batches that were computed and no more. Invariants: one job at a time; an answer means the
same as one of `OfflineVllmTransport`; without a request that the work log cannot answer, neither Ray nor a GPU is touched.
Run so far: Ray 2.60's own pipeline and vLLM stage around a stand-in for vLLM, on CPUs that Ray was told are GPUs. Never
run: vLLM itself below it, several GPUs a copy, a node lost in the middle of a job.
"""

import importlib.util
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from in2_plugin.config import VllmConfig
from in2_plugin.errors import EndpointError, MissingExtra, one_line
from in2_plugin.execution.ray.settings import on_this_node
from in2_plugin.llm.coalescing import RequestCoalescer
from in2_plugin.llm.request import Completion, Request, RequestFailed
from in2_plugin.llm.vllm.offline import CHAT_TEMPLATE_KWARGS, MIN_REJECTED, all_rejected, split_sampling
from in2_plugin.llm.vllm.ray_job import RESTARTS, Job, Row, answered, gpus_of, sampling_json

IDLE_SECONDS = 2.0
"""Seconds without a new request after which a job begins that is not full. A job takes minutes to load its model."""
DEFAULT_MAX_TOKENS = 16
"""vLLM's `max_tokens` when the build file does not set it."""
TRIES = 3
"""Times that a job is begun which fails before it has imported what it needs."""
UNSUPPORTED = {
    "distributed_executor_backend": (["ray"], "leave it out: a copy of the model has its GPUs on one node"),
    "data_parallel_size": (range(2, 65_536), "use `ray: {replicas: ...}`"),
    "tokenizer_mode": (["mistral"], "use a model folder with a tokenizer.json, or serve it and use `writer: endpoint`"),
}
"""Values of the engine's arguments that copies on a cluster cannot honour, and what to do instead."""


_CAUSE = re.compile(r"^[\w.]+(?:Error|Exception|Exit)\b.*", re.MULTILINE)


class RayVllmTransport:
    """A `Transport` over jobs of `ray.data.llm`. Belongs to one event loop, in a process that is connected to Ray."""

    def __init__(self, config: VllmConfig, *, idle_seconds: float = IDLE_SECONDS) -> None:
        """Prepare; nothing is begun yet.

        Raises:
            MissingExtra: Ray or vLLM is not installed.
            EndpointError: the engine's arguments do not suit copies on a cluster.
        """
        for extra in ("ray", "vllm"):
            if importlib.util.find_spec(extra) is None:
                raise MissingExtra("`writer: vllm` with `--engine ray`", extra)
        _require_suitable(config.engine)
        self._config = config
        self._replicas = config.ray.replicas
        self._coalescer = RequestCoalescer(self._run, size=config.ray.requests_per_job, idle_seconds=idle_seconds)

    async def answer(self, request: Request) -> Completion:
        """See `Transport`."""
        return await self._coalescer.answer(request)

    async def _run(self, requests: Sequence[Request]) -> Sequence[Completion | RequestFailed]:
        self._replicas = available_replicas(self._config)
        # closed at once when something raises, so that the job ends then
        async with aclosing(_rows_of(*_job(self._config, requests, self._replicas))) as rows:
            outcomes = await self._settled(rows, requests)
        if len(outcomes) != len(requests):
            raise EndpointError(f"Ray gave {len(outcomes)} answers to {len(requests)} requests; use another version")
        return [outcomes[number] for number in range(len(requests))]

    async def _settled(
        self, rows: AsyncIterator[Row], requests: Sequence[Request]
    ) -> Mapping[int, Completion | RequestFailed]:
        """Settle each request as its row comes; refusals wait for the first answer: until then all may be refused."""
        outcomes: dict[int, Completion | RequestFailed] = {}
        held_back: list[int] = []
        async for row in rows:
            number = row["row"]
            outcome = outcomes[number] = _outcome(row, requests[number], self._config.engine)
            held_back.append(number)
            if isinstance(outcome, RequestFailed) and len(held_back) == len(outcomes):
                if len(outcomes) >= MIN_REJECTED:
                    raise all_rejected(outcome)
                continue
            for one in held_back:
                self._coalescer.settle(requests[one], outcomes[one])
            held_back = []
        return outcomes

    def stop(self) -> None:
        """Begin no more jobs; the one that runs is waited for, and its answers are kept."""
        self._coalescer.stop()

    def resume(self) -> None:
        """Begin jobs again."""
        self._coalescer.resume()

    def traffic(self) -> str:
        """Requests in the job and behind it, and how many copies of the model there is room for, if not for all."""
        asked = self._config.ray.replicas
        short = f"room for {self._replicas} of {asked} replicas" if self._replicas < asked else ""
        return ", ".join(part for part in (self._coalescer.traffic(), short) if part)

    async def close(self) -> None:
        """End the job that runs; answers that came until now are kept, those of open batches are lost."""
        await self._coalescer.close()


def available_replicas(config: VllmConfig) -> int:
    """Copies of the model for which the cluster has GPUs and CPUs, busy or not; at most as many as asked for.

    Raises:
        EndpointError: there is no room for one, and waiting for it would have no end.
    """
    import ray

    nodes: Any = ray.nodes  # untyped
    kind, needed = config.ray.accelerator, gpus_of(config.engine)
    resources = [node["Resources"] for node in nodes() if node["Alive"]]
    suitable = [one for one in resources if kind is None or f"accelerator_type:{kind}" in one]
    fit = sum(int(one.get("GPU", 0)) // needed for one in suitable)
    # each copy takes a CPU beside its GPUs, and the rows need one to get to it
    cpus = int(sum(one.get("CPU", 0) for one in resources))
    if fit and cpus < 2:
        raise EndpointError(f"the Ray cluster has {cpus} CPU, and a copy of the model takes two; give it more")
    if not fit:
        there = ", ".join(sorted(_described(one) for one in resources))
        raise EndpointError(
            f"no node of the Ray cluster has the {needed} {kind or 'GPU'}{'' if kind or needed == 1 else 's'} that one "
            f"copy of {config.model} takes (the nodes have: {there}); start such a node first, or correct "
            "`tensor_parallel_size` in `questions.vllm.engine` and `accelerator` in `questions.vllm.ray`"
        )
    return min(fit, cpus - 1, config.ray.replicas)


def _described(resources: Mapping[str, float]) -> str:
    kinds = [name.removeprefix("accelerator_type:") for name in resources if name.startswith("accelerator_type:")]
    return " ".join([f"{resources.get('GPU', 0):g} GPUs", *kinds])


def _require_suitable(engine: Mapping[str, Any]) -> None:
    for name, (refused, instead) in UNSUPPORTED.items():
        if engine.get(name) in refused:
            raise EndpointError(f"`questions.vllm.engine`: `{name}: {engine[name]}` does not work on Ray; {instead}")


def _job(config: VllmConfig, requests: Sequence[Request], replicas: int) -> tuple[Job, list[Row]]:
    samplings: dict[str, int] = {}
    rows = []
    for number, request in enumerate(requests):
        sampling = samplings.setdefault(_sampling(request.parameters), len(samplings))
        rows.append({"row": number, "prompt": request.prompt, "sampling": sampling})
    return Job(
        model=config.model,
        engine=config.engine,
        # all requests come from one configuration, and so does this
        chat=config.parameters.get(CHAT_TEMPLATE_KWARGS) or {},
        samplings=tuple(samplings),
        replicas=replicas,
        batch_size=config.ray.batch_size,
        accelerator=config.ray.accelerator,
    ), rows


def _sampling(parameters: Mapping[str, Any]) -> str:
    try:
        return sampling_json(*split_sampling(parameters))
    except (TypeError, KeyError) as failure:
        raise EndpointError(
            f"vLLM does not take these sampling parameters ({one_line(repr(failure))}); correct "
            "`questions.vllm.parameters`, whose names are those of vLLM's SamplingParams"
        ) from None


async def _rows_of(job: Job, rows: Sequence[Row], tries: int = TRIES) -> AsyncGenerator[Row]:
    """Rows as the job gives them; who stops asking ends the job and all that it started."""
    import ray

    run: Any = ray.remote(max_calls=1)(answered)  # a process of its own: it can be ended, a thread cannot
    options = {"num_cpus": 0, "max_retries": 0, "num_returns": "streaming", "scheduling_strategy": on_this_node()}
    blocks = run.options(**options).remote(job, rows)
    has_begun = is_over = False
    try:
        async for block in blocks:
            found = await block
            has_begun = True
            for row in found:
                yield row
        is_over = True
    except ray.exceptions.RayError as failure:
        is_over = True
        if not has_begun and tries > 1:
            # in a new process: Ray imports its stages one by one, and now and then one of them fails half-way
            async with aclosing(_rows_of(job, rows, tries - 1)) as again:
                async for row in again:
                    yield row
            return
        raise EndpointError(
            f"the Ray Data job of {job.model} failed ({_reason(failure)}); answers so far are kept: correct "
            "`questions.vllm`, for example `engine: {gpu_memory_utilization: ..., max_model_len: ...}`, and run again"
        ) from failure
    finally:
        if not is_over:
            ray.cancel(blocks, force=True)


def _outcome(row: Row, request: Request, engine: Mapping[str, Any]) -> Completion | RequestFailed:
    if row["error"]:
        return RequestFailed(one_line(row["error"]))
    given, made = row["input_tokens"], row["output_tokens"]
    return Completion(row["text"], _finish(given, made, request.parameters, engine), given, made)


def _finish(given: int, made: int, parameters: Mapping[str, Any], engine: Mapping[str, Any]) -> str:
    """`length` or `stop`. Ray's stage does not hand it on; an answer that ends by itself at the last token that it may
    have counts as cut."""
    most = parameters.get("max_tokens", DEFAULT_MAX_TOKENS)
    window = engine.get("max_model_len")
    cut = (most is not None and made >= most) or (isinstance(window, int) and given + made >= window)
    return "length" if cut else "stop"


def _reason(failure: BaseException) -> str:
    """The innermost cause, which Ray buries under the tracebacks of several processes."""
    text = str(failure)
    if (causes := list(_CAUSE.finditer(text))) and "ActorDiedError" not in causes[-1][0]:
        return one_line(text[causes[-1].start() :])
    if causes:
        return f"a copy of the model died {RESTARTS + 1} times, of what Ray's logs of its process say"
    return one_line(text)
