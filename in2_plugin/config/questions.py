"""The `questions` section of a build file: who writes the questions, at what price, and who checks them.

`changeable` marks the fields that may change between two runs on one folder, because no answer depends on them.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from in2_plugin.config.base import Config, changeable

CONTEXT = "{context}"
"""Stands for the passage in a prompt of the user's; the only thing that is replaced besides `{count}`."""
Check = Literal["answerable", "closed_book", "needs_all"]
Setting = Mapping[str, Any]


class Concurrency(Config):
    """Requests in flight: pacing moves between the two as the endpoint allows."""

    min: PositiveInt = 4
    max: PositiveInt = 256

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"the range {self.min}-{self.max} begins above its end")
        return self


def _read_range(value: object) -> object:
    """`4-256`, `4..256` or one number for both ends."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"min": value, "max": value}
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+)\s*(?:(?:-|\.\.)\s*(\d+)\s*)?", value)
        if not found:
            raise ValueError("give a range like `4-256`, or one number")
        return {"min": int(found[1]), "max": int(found[2] or found[1])}
    return value


class Prices(Config):
    """What the endpoint charges; used for estimates and the running total, and nowhere else."""

    input: NonNegativeFloat
    """Money for a million input tokens."""
    output: NonNegativeFloat
    """Money for a million output tokens."""
    currency: str = "USD"


def _read_addresses(value: object) -> object:
    """A list of one is that one, so that a tuple always means a pool."""
    if not isinstance(value, list | tuple):
        return value
    if not value:
        raise ValueError("the list is empty; give one address or several")
    seen: set[str] = set()
    for address in value:
        if not isinstance(address, str):
            raise ValueError(f"{address!r} in the list is no address; give each as text, like http://node1:8000/v1")
        if address.rstrip("/") in seen:
            raise ValueError(f"the list holds {address} twice; give each server once")
        seen.add(address.rstrip("/"))
    return value[0] if len(value) == 1 else tuple(value)


class EndpointConfig(Config):
    """An OpenAI-compatible server: hosted, vLLM, SGLang, llama.cpp, Ollama; or several that serve the same model."""

    model: str
    """Name of the model, as the server knows it."""
    base_url: Annotated[str | tuple[str, ...], BeforeValidator(_read_addresses)] = changeable(
        "https://api.openai.com/v1"
    )
    """Address of the server, up to and including `/v1`. A list of addresses is a pool of servers of the same model:
    each request goes to the one with most room, and what one fails at goes to another."""
    api_key_env: str | None = changeable("OPENAI_API_KEY")
    """Environment variable that holds the key; null for a server that needs none."""
    parameters: Setting = Field({"temperature": 1.0, "max_tokens": 1024})
    """Sampling parameters of the chat completions interface, sent as they are. Unstated in the paper."""
    extra_body: Setting = Field({})
    """Fields outside that interface, for example `{chat_template_kwargs: {enable_thinking: false}}` of vLLM."""
    answer_format: Literal["auto", "json_schema", "markers"] = "auto"
    """How answers are written: as JSON under a schema, or with the markers of the paper's prompt. `auto` asks the
    server with the first request, and keeps to what it accepted."""
    mode: Literal["live", "batch"] = changeable("live")
    """`live` asks one request at a time over many connections; `batch` uploads files of requests (OpenAI's Batch
    interface: half the price, answers within a day)."""
    batch_requests: PositiveInt = changeable(20_000)
    """Requests in one batch file at most, for `mode: batch`."""
    poll_seconds: PositiveFloat = changeable(60.0)
    """Time between two looks at an unfinished batch."""
    concurrency: Annotated[Concurrency, BeforeValidator(_read_range)] = changeable(Concurrency())
    """Requests in flight, as a range like `4-256`; of a pool, at each address."""
    timeout: PositiveFloat = changeable(600.0)
    """Seconds to wait for one answer."""
    attempts: PositiveInt = changeable(8)
    """Times one request is sent before it counts as failed, 429 not counted. With waits between that double up to
    32 seconds, eight last about a minute."""
    max_error_rate: Annotated[float, Field(gt=0, le=1)] = changeable(0.2)
    """Share of failed requests among the last hundred at which the run stops; of a pool also the share of failed
    attempts among an address's last hundred at which it is left out for a while."""
    prices: Prices | None = changeable(None)

    @model_validator(mode="after")
    def _one_batch_server(self) -> Self:
        if self.mode == "batch" and len(self.addresses) > 1:
            raise ValueError(
                f"`mode: batch` takes one address, and `base_url` lists {len(self.addresses)}: batches stay with the "
                "server that took them; leave one, or set `mode: live`"
            )
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """The servers, in the order of the build file."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url

    @property
    def address(self) -> str:
        """The one server of a section that is not a pool."""
        (only,) = self.addresses
        return only

    def at(self, address: str) -> Self:
        """The same section for one of its servers."""
        return self.model_copy(update={"base_url": address})


class RayVllmConfig(Config):
    """Copies of the model on the GPUs of a Ray cluster, for `in2 build --engine ray`."""

    replicas: PositiveInt = 1
    """Copies of the model at most. Each takes `tensor_parallel_size` x `pipeline_parallel_size` GPUs of one node; when
    the cluster holds fewer, a job goes on with those."""
    requests_per_job: PositiveInt = 100_000
    """Requests in one Ray Data job at most. Each job loads the model anew, which takes minutes; a passage that waits
    for one takes about 8 KB of this machine's memory."""
    batch_size: PositiveInt = 64
    """Requests handed to a copy together, and lost together with it. Their answers are stored when all are there."""
    accelerator: str | None = None
    """Take only GPUs that Ray calls so, for example `H100` or `A100`."""


class VllmConfig(Config):
    """Offline vLLM in this process, on this machine's GPUs; or on those of a Ray cluster, with `--engine ray`."""

    model: str
    """Name or folder of the model."""
    parameters: Setting = Field({"temperature": 1.0, "max_tokens": 1024})
    """Arguments of vLLM's `SamplingParams`."""
    answer_format: Literal["json_schema", "markers"] = "json_schema"
    """How answers are written; vLLM can force the schema."""
    engine: Setting = changeable({})
    """Arguments of vLLM's `LLM`, for example `{tensor_parallel_size: 2, max_model_len: 8192}`."""
    batch_requests: PositiveInt = changeable(1_024)
    """Requests handed to the engine at once, in this process."""
    ray: RayVllmConfig = changeable(RayVllmConfig())


class Prompts(Config):
    """Your own prompts instead of ours. `{context}` is replaced by the passage and `{count}` by the number of
    questions; nothing else is touched, so braces need no doubling."""

    fine_grained: str | None = None
    integration: str | None = None

    @field_validator("fine_grained", "integration")
    @classmethod
    def _holds_the_passage(cls, value: str | None) -> str | None:
        if value is not None and CONTEXT not in value:
            raise ValueError("the prompt has no `{context}`, where the passage goes")
        return value


class Verification(Config):
    """Checks by a model, for each kind; each costs calls. The paper checks nothing."""

    fine_grained: tuple[Check, ...] = ()
    """`answerable`: a judge that sees the gold segments alone gives the same answer. `closed_book`: a judge that sees
    nothing does not."""
    integration: tuple[Check, ...] = ()
    """Also `needs_all`: no judge that sees one gold segment alone gives the same answer."""
    judge: EndpointConfig | None = None
    """The model that judges; the one that writes when absent."""

    @field_validator("fine_grained")
    @classmethod
    def _one_segment(cls, value: tuple[Check, ...]) -> tuple[Check, ...]:
        if "needs_all" in value:
            raise ValueError("`needs_all` is for integration questions: a fine-grained one has a single gold segment")
        return value


class LiteralChecks(Config):
    """Bounds of the checks that cost nothing and always run."""

    question_chars: tuple[PositiveInt, PositiveInt] = (5, 1_000)
    """Shortest and longest question, in characters."""
    answer_chars: tuple[PositiveInt, PositiveInt] = (1, 4_000)
    """Shortest and longest answer, in characters."""
    min_overlap: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Least share of the answer's longer words that occur in the gold segments or the question."""


class QuestionsConfig(Config):
    """Who writes the questions, and what is done to them before they count."""

    writer: Literal["extractive", "endpoint", "vllm"] = "extractive"
    """`extractive` makes questions from the text itself: no endpoint, no cost, no language model. `endpoint` asks an
    OpenAI-compatible server, `vllm` loads a model into this process."""
    endpoint: EndpointConfig | None = None
    vllm: VllmConfig | None = None
    questions_per_call: Annotated[int, Field(ge=1, le=20)] = 1
    """Questions asked for in one call about one passage. More divide the cost of the input; the paper's prompts ask
    for one."""
    prompts: Prompts = Prompts()
    checks: LiteralChecks = LiteralChecks()
    verify: Verification = Verification()

    @model_validator(mode="after")
    def _has_its_section(self) -> Self:
        if self.writer != "extractive" and getattr(self, self.writer) is None:
            raise ValueError(f"`writer: {self.writer}` needs a section `{self.writer}:` with at least its `model`")
        if self.writer == "extractive" and (self.verify.fine_grained or self.verify.integration):
            raise ValueError("`verify` checks questions of a language model; `writer: extractive` has none to ask")
        if self.writer == "vllm" and self.verify.judge is not None:
            raise ValueError("with `writer: vllm` the same model judges; leave `verify.judge` out")
        return self
