"""Offline inference with vLLM in this process, one group of requests at a time.

Written against vLLM's API as documented in November 2026 (`LLM.chat`, `SamplingParams`, `StructuredOutputsParams`, and
`GuidedDecodingParams`, which 0.12 removed), and tested against a stand-in with these signatures: it has not been run on
a GPU. Invariants: only one thread uses the engine; the model is loaded with the first request that the work log cannot
answer, so a finished run is replayed without a GPU. A group that has started cannot be cancelled.
"""

import asyncio
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from in2_plugin.config import VllmConfig
from in2_plugin.errors import EndpointError, MissingExtra, one_line
from in2_plugin.llm.coalescing import RequestCoalescer
from in2_plugin.llm.request import Completion, Request, RequestFailed

IDLE_SECONDS = 0.05
"""Seconds without a new request after which a group that is not full is dispatched."""
MIN_REJECTED = 20
"""The run ends if the engine rejects all requests of a group of at least this size."""
CHAT_TEMPLATE_KWARGS = "chat_template_kwargs"
"""The one parameter of `LLM.chat` rather than `SamplingParams`, for example `{enable_thinking: false}`."""


class OfflineVllmTransport:
    """A `Transport` over `LLM.chat`."""

    def __init__(self, config: VllmConfig, *, idle_seconds: float = IDLE_SECONDS) -> None:
        """Prepare; nothing is loaded yet.

        Raises:
            MissingExtra: vLLM is not installed.
        """
        if importlib.util.find_spec("vllm") is None:
            raise MissingExtra("`writer: vllm`", "vllm")
        self._config = config
        self._llm: Any = None
        # the engine's sockets to its workers must stay in one thread
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vllm")
        self._coalescer = RequestCoalescer(self._run, size=config.batch_requests, idle_seconds=idle_seconds)

    async def answer(self, request: Request) -> Completion:
        """See `Transport`."""
        return await self._coalescer.answer(request)

    async def _run(self, requests: Sequence[Request]) -> Sequence[Completion | RequestFailed]:
        outcomes = await asyncio.get_running_loop().run_in_executor(self._thread, self._answer_all, requests)
        failures = [outcome for outcome in outcomes if isinstance(outcome, RequestFailed)]
        if len(failures) == len(outcomes) >= MIN_REJECTED:
            raise all_rejected(failures[0])
        return outcomes

    def _answer_all(self, requests: Sequence[Request]) -> list[Completion | RequestFailed]:
        if self._llm is None:
            self._llm = self._load()
        return self._chat(requests, [self._sampling(request.parameters) for request in requests])

    def _load(self) -> Any:
        try:
            return importlib.import_module("vllm").LLM(model=self._config.model, **self._config.engine)
        except Exception as failure:
            raise EndpointError(
                f"vLLM cannot load {self._config.model} ({_reason(failure)}); correct `questions.vllm`"
            ) from failure

    def _sampling(self, parameters: Mapping[str, Any]) -> Any:
        try:
            arguments, schema = split_sampling(parameters)
            if schema is not None:
                arguments |= _structured_output(schema)
            return importlib.import_module("vllm").SamplingParams(**arguments)
        except (TypeError, ValueError, KeyError) as failure:
            raise EndpointError(
                f"vLLM does not take these sampling parameters ({_reason(failure)}); correct "
                "`questions.vllm.parameters`, whose names are those of vLLM's SamplingParams"
            ) from None

    def _chat(self, requests: Sequence[Request], sampling: Sequence[Any]) -> list[Completion | RequestFailed]:
        """Answer a group; if the engine rejects it, split it in half, down to the request that is invalid.

        The engine checks all prompts before it computes, so that nothing is computed twice.
        """
        chats = [[{"role": "user", "content": request.prompt}] for request in requests]
        # the same for all requests of a build file
        template = self._config.parameters.get(CHAT_TEMPLATE_KWARGS)
        try:
            outputs = self._llm.chat(chats, list(sampling), use_tqdm=False, chat_template_kwargs=template)
        except ValueError as rejection:
            if len(requests) == 1:
                return [RequestFailed(_reason(rejection))]
            half = len(requests) // 2
            return self._chat(requests[:half], sampling[:half]) + self._chat(requests[half:], sampling[half:])
        except Exception as failure:
            raise EndpointError(
                f"vLLM failed ({_reason(failure)}); answers so far are kept, see its output above and run again"
            ) from failure
        if len(outputs) != len(requests):
            raise EndpointError(
                f"vLLM gave {len(outputs)} answers to {len(requests)} requests; use another version of it"
            )
        return [_answer_of(output) for output in outputs]

    def stop(self) -> None:
        """Start no more groups; the current one is awaited."""
        self._coalescer.stop()

    def resume(self) -> None:
        """Start groups again."""
        self._coalescer.resume()

    def traffic(self) -> str:
        """Describe the requests in the engine and in the queue."""
        return self._coalescer.traffic()

    async def close(self) -> None:
        """Unload the model; the current group finishes first, and its answers are dropped."""
        await self._coalescer.close()
        self._llm = None
        self._thread.shutdown(wait=False, cancel_futures=True)


def split_sampling(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
    """Split a request's parameters into arguments of `SamplingParams` and the JSON schema of the response, if any.

    Raises:
        KeyError: the response format has no schema.
    """
    arguments = {
        name: value for name, value in parameters.items() if name not in {"response_format", CHAT_TEMPLATE_KWARGS}
    }
    response_format = parameters.get("response_format")
    return arguments, response_format["json_schema"]["schema"] if response_format else None


def all_rejected(first: RequestFailed) -> EndpointError:
    """Return the error that ends a run in which every request is rejected."""
    return EndpointError(
        f"vLLM rejects every request, the first with: {first}; correct `questions.vllm`, for example "
        "`engine: {max_model_len: ...}`"
    )


def _structured_output(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the argument of `SamplingParams` that enforces this JSON schema."""
    module = importlib.import_module("vllm.sampling_params")
    if hasattr(module, "StructuredOutputsParams"):
        return {"structured_outputs": module.StructuredOutputsParams(json=schema)}
    return {"guided_decoding": module.GuidedDecodingParams(json=schema)}


def _answer_of(output: Any) -> Completion:
    completion = output.outputs[0]
    tokens = len(output.prompt_token_ids or ()), len(completion.token_ids)
    return Completion(completion.text, str(completion.finish_reason or "stop"), *tokens)


def _reason(failure: Exception) -> str:
    return one_line(f"{type(failure).__name__}: {failure}")
