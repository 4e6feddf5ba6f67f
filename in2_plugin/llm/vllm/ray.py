"""Offline inference with replicas of vLLM on a Ray cluster: one Ray Data job per group of up to 100,000 requests.

The job runs in its own process on this node. Its rows come back block by block and settle their requests at once, so
that a killed build loses only the batches in flight. Invariants: one job at a time; answers mean the same as those of
`OfflineVllmTransport`; a run that the work log can answer touches neither Ray nor a GPU. Tested with the pipeline and
vLLM stage of Ray 2.60 around a stand-in for vLLM, on CPUs that Ray counts as GPUs. Never tested: vLLM itself, several
GPUs per replica, a node lost during a job.
"""

import importlib.util
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from in2_plugin.config import VllmConfig
from in2_plugin.errors import EndpointError, MissingExtra, one_line
from in2_plugin.execution.ray.settings import driver_affinity
from in2_plugin.llm.coalescing import RequestCoalescer
from in2_plugin.llm.request import Completion, Request, RequestFailed
from in2_plugin.llm.vllm.offline import CHAT_TEMPLATE_KWARGS, MIN_REJECTED, all_rejected, split_sampling
from in2_plugin.llm.vllm.ray_job import RESTARTS, Job, Row, gpus_of, run_job, sampling_json

IDLE_SECONDS = 2.0
"""Seconds without a new request after which a job that is not full starts. Loading the model takes minutes."""
DEFAULT_MAX_TOKENS = 16
"""vLLM's `max_tokens` when the build file does not set it."""
MAX_STARTS = 3
"""Attempts at starting a job, if it fails during its imports."""
UNSUPPORTED = {
    "distributed_executor_backend": (["ray"], "leave it out: all GPUs of a replica are on one node"),
    "data_parallel_size": (range(2, 65_536), "use `ray: {replicas: ...}`"),
    "tokenizer_mode": (["mistral"], "use a model folder with a tokenizer.json, or serve it and use `writer: endpoint`"),
}
"""Values of engine arguments that do not work on a cluster, and what to do instead."""


_CAUSE = re.compile(r"^[\w.]+(?:Error|Exception|Exit)\b.*", re.MULTILINE)


class RayVllmTransport:
    """A `Transport` over jobs of `ray.data.llm`. Belongs to one event loop, in a process that is connected to Ray."""

    def __init__(self, config: VllmConfig, *, idle_seconds: float = IDLE_SECONDS) -> None:
        """Check the configuration; nothing starts yet.

        Raises:
            MissingExtra: Ray or vLLM is not installed.
            EndpointError: an engine argument does not work on a cluster.
        """
        for extra in ("ray", "vllm"):
            if importlib.util.find_spec(extra) is None:
                raise MissingExtra("`writer: vllm` with `--engine ray`", extra)
        _check_engine(config.engine)
        self._config = config
        self._replicas = config.ray.replicas
        self._coalescer = RequestCoalescer(self._run, size=config.ray.requests_per_job, idle_seconds=idle_seconds)

    async def answer(self, request: Request) -> Completion:
        """See `Transport`."""
        return await self._coalescer.answer(request)

    async def _run(self, requests: Sequence[Request]) -> Sequence[Completion | RequestFailed]:
        self._replicas = available_replicas(self._config)
        # closed at once after an error, which ends the job
        async with aclosing(_rows_of(*_job(self._config, requests, self._replicas))) as rows:
            outcomes = await self._settle_all(rows, requests)
        if len(outcomes) != len(requests):
            raise EndpointError(f"Ray gave {len(outcomes)} answers to {len(requests)} requests; use another version")
        return [outcomes[number] for number in range(len(requests))]

    async def _settle_all(
        self, rows: AsyncIterator[Row], requests: Sequence[Request]
    ) -> Mapping[int, Completion | RequestFailed]:
        """Settle each request when its row arrives; rejections wait for the first answer, in case all are rejected."""
        outcomes: dict[int, Completion | RequestFailed] = {}
        unsettled: list[int] = []
        async for row in rows:
            number = row["row"]
            outcome = outcomes[number] = _outcome(row, requests[number], self._config.engine)
            unsettled.append(number)
            if isinstance(outcome, RequestFailed) and len(unsettled) == len(outcomes):
                if len(outcomes) >= MIN_REJECTED:
                    raise all_rejected(outcome)
                continue
            for one in unsettled:
                self._coalescer.settle(requests[one], outcomes[one])
            unsettled = []
        return outcomes

    def stop(self) -> None:
        """Start no more jobs; the current one is awaited, and its answers are kept."""
        self._coalescer.stop()

    def resume(self) -> None:
        """Start jobs again."""
        self._coalescer.resume()

    def traffic(self) -> str:
        """Describe the requests in the job and in the queue, and the number of replicas if it is reduced."""
        wanted = self._config.ray.replicas
        reduced = f"room for {self._replicas} of {wanted} replicas" if self._replicas < wanted else ""
        return ", ".join(part for part in (self._coalescer.traffic(), reduced) if part)

    async def close(self) -> None:
        """End the current job; answers that have arrived are kept, those of open batches are lost."""
        await self._coalescer.close()


def available_replicas(config: VllmConfig) -> int:
    """Return the replicas for which the cluster has GPUs and CPUs, busy or not, up to the configured number.

    Raises:
        EndpointError: the cluster cannot run a single replica, and would wait forever.
    """
    import ray

    nodes: Any = ray.nodes  # untyped
    kind, needed = config.ray.accelerator, gpus_of(config.engine)
    resources = [node["Resources"] for node in nodes() if node["Alive"]]
    suitable = [one for one in resources if kind is None or f"accelerator_type:{kind}" in one]
    fit = sum(int(one.get("GPU", 0)) // needed for one in suitable)
    # each replica takes a CPU besides its GPUs, and the rows need another one
    cpus = int(sum(one.get("CPU", 0) for one in resources))
    if fit and cpus < 2:
        raise EndpointError(f"the Ray cluster has {cpus} CPU, but a replica needs two; add CPUs")
    if not fit:
        nodes_text = ", ".join(sorted(_describe(one) for one in resources))
        raise EndpointError(
            f"no node of the Ray cluster has the {needed} {kind or 'GPU'}{'' if kind or needed == 1 else 's'} that one "
            f"replica of {config.model} needs (the nodes have: {nodes_text}); start such a node first, or correct "
            "`tensor_parallel_size` in `questions.vllm.engine` and `accelerator` in `questions.vllm.ray`"
        )
    return min(fit, cpus - 1, config.ray.replicas)


def _describe(resources: Mapping[str, float]) -> str:
    kinds = [name.removeprefix("accelerator_type:") for name in resources if name.startswith("accelerator_type:")]
    return " ".join([f"{resources.get('GPU', 0):g} GPUs", *kinds])


def _check_engine(engine: Mapping[str, Any]) -> None:
    for name, (unsupported, advice) in UNSUPPORTED.items():
        if engine.get(name) in unsupported:
            raise EndpointError(f"`questions.vllm.engine`: `{name}: {engine[name]}` does not work on Ray; {advice}")


def _job(config: VllmConfig, requests: Sequence[Request], replicas: int) -> tuple[Job, list[Row]]:
    samplings: dict[str, int] = {}
    rows = []
    for number, request in enumerate(requests):
        sampling = samplings.setdefault(_sampling(request.parameters), len(samplings))
        rows.append({"row": number, "prompt": request.prompt, "sampling": sampling})
    return Job(
        model=config.model,
        engine=config.engine,
        # the same for all requests of a build file
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


async def _rows_of(job: Job, rows: Sequence[Row], starts: int = MAX_STARTS) -> AsyncGenerator[Row]:
    """Yield the rows of the job as they arrive; closing this generator ends the job and all that it started."""
    import ray

    run: Any = ray.remote(max_calls=1)(run_job)  # a separate process: it can be killed, a thread cannot
    options = {"num_cpus": 0, "max_retries": 0, "num_returns": "streaming", "scheduling_strategy": driver_affinity()}
    blocks = run.options(**options).remote(job, rows)
    has_started = is_over = False
    try:
        async for block in blocks:
            found = await block
            has_started = True
            for row in found:
                yield row
        is_over = True
    except ray.exceptions.RayError as failure:
        is_over = True
        if not has_started and starts > 1:
            # in a new process: Ray imports its stages one by one, and sometimes one of these imports fails
            async with aclosing(_rows_of(job, rows, starts - 1)) as again:
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
    prompt_tokens, new_tokens = row["input_tokens"], row["output_tokens"]
    return Completion(
        row["text"], _finish(prompt_tokens, new_tokens, request.parameters, engine), prompt_tokens, new_tokens
    )


def _finish(prompt_tokens: int, new_tokens: int, parameters: Mapping[str, Any], engine: Mapping[str, Any]) -> str:
    """Return `length` or `stop`, which Ray's stage does not pass on. An answer that ends exactly at the limit counts as
    truncated."""
    limit = parameters.get("max_tokens", DEFAULT_MAX_TOKENS)
    window = engine.get("max_model_len")
    is_truncated = (limit is not None and new_tokens >= limit) or (
        isinstance(window, int) and prompt_tokens + new_tokens >= window
    )
    return "length" if is_truncated else "stop"


def _reason(failure: BaseException) -> str:
    """Return the innermost cause, below the tracebacks of several processes."""
    text = str(failure)
    if (causes := list(_CAUSE.finditer(text))) and "ActorDiedError" not in causes[-1][0]:
        return one_line(text[causes[-1].start() :])
    if causes:
        return f"a replica died {RESTARTS + 1} times; Ray's logs of its process show why"
    return one_line(text)
