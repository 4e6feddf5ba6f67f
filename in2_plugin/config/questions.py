"""The `questions` section of a build file: who writes the questions, at what price, and who checks them.

`changeable` marks fields that may change between two runs on the same folder, because no answer depends on them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from in2_plugin.config.base import AddedLater, Config, changeable
from in2_plugin.config.writers import (
    FormDeclaration,
    WriterDeclaration,
    check_weights,
    complete_settings,
    find_writer,
    weighed_forms,
)
from in2_plugin.errors import ConfigError

CONTEXT = "{context}"
"""Placeholder for the passage in a user's prompt; only this and `{count}` are replaced."""
Check = Literal["answerable", "closed_book", "needs_all"]
Setting = Mapping[str, Any]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Concurrency(Config):
    """Bounds of the number of requests in flight, which adapts to the endpoint."""

    min: PositiveInt = 4
    """Requests in flight at the start. They grow while the endpoint answers, and fall, if need be to 1, when it reports
    overload (429, 503, a timeout)."""
    max: PositiveInt = 256
    """Upper bound of the requests in flight."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"`min` is {self.min} and `max` is {self.max}; set `min` to at most `max`")
        return self


def _read_range(value: object) -> object:
    """Accept `4-256`, `4..256` or one number for both bounds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"min": value, "max": value}
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+)\s*(?:(?:-|\.\.)\s*(\d+)\s*)?", value)
        if not found:
            raise ValueError("give a range like `4-256`, or one number")
        return {"min": int(found[1]), "max": int(found[2] or found[1])}
    return value


class Prices(Config):
    """Prices of the endpoint, used only for estimates and the running total."""

    input: NonNegativeFloat
    """Price per million input tokens."""
    output: NonNegativeFloat
    """Price per million output tokens."""
    currency: str = "USD"
    """Name of the currency, as it is printed."""


def _read_addresses(value: object) -> object:
    """Turn a list of one URL into that URL, so that a tuple always means a pool."""
    if not isinstance(value, list | tuple):
        return value
    if not value:
        raise ValueError("the list is empty; give at least one URL")
    seen: set[str] = set()
    for address in value:
        if not isinstance(address, str):
            raise ValueError(f"{address!r} in the list is not a URL; give each as text, like http://node1:8000/v1")
        if address.rstrip("/") in seen:
            raise ValueError(f"the list contains {address} twice; give each server once")
        seen.add(address.rstrip("/"))
    return value[0] if len(value) == 1 else tuple(value)


class EndpointConfig(Config):
    """An OpenAI-compatible server (hosted, vLLM, SGLang, llama.cpp, Ollama), or several that serve the same model."""

    model: str
    """Name of the model on the server."""
    base_url: Annotated[str | tuple[str, ...], BeforeValidator(_read_addresses)] = changeable(
        "https://api.openai.com/v1"
    )
    """URL of the server, up to and including `/v1`. A list of URLs is a pool of servers of the same model: each request
    goes to the server with the most free capacity, and a request that fails on one server is sent to another."""
    api_key_env: str | None = changeable("OPENAI_API_KEY")
    """Environment variable with the API key; null for a server without one."""
    parameters: Setting = Field({"temperature": 1.0, "max_tokens": 1024})
    """Sampling parameters of the chat completions API, sent unchanged. Unstated in the paper."""
    extra_body: Setting = Field({})
    """Fields outside that API, for example `{chat_template_kwargs: {enable_thinking: false}}` for vLLM."""
    answer_format: Literal["auto", "json_schema", "markers"] = "auto"
    """Format of the answers: JSON that follows a schema, or the markers of the paper's prompt. `auto` tries the schema
    with the first request and keeps the format that the server accepts."""
    mode: Literal["live", "batch"] = changeable("live")
    """`live` sends single requests over many connections; `batch` uploads files of requests (OpenAI's Batch API: half
    the price, answers within a day)."""
    batch_requests: PositiveInt = changeable(20_000)
    """Maximum requests per batch file, for `mode: batch`."""
    poll_seconds: PositiveFloat = changeable(60.0)
    """Seconds between two status checks of an unfinished batch."""
    concurrency: Annotated[Concurrency, BeforeValidator(_read_range)] = changeable(Concurrency())
    """Requests in flight, as a range like `4-256`; per server in a pool. There are fewer while few questions are
    missing, because every further request would cost money for nothing; the progress line says so."""
    timeout: PositiveFloat = changeable(600.0)
    """Seconds to wait for an answer."""
    attempts: PositiveInt = changeable(8)
    """Attempts per request before it counts as failed; rate limits (429) do not count. The wait between attempts
    doubles up to 32 seconds, so eight attempts take about a minute."""
    max_error_rate: Annotated[float, Field(gt=0, le=1)] = changeable(0.2)
    """The run stops when this fraction of the last hundred requests has failed. In a pool, a server is also paused when
    this fraction of its last hundred attempts has failed."""
    prices: Prices | None = changeable(None)

    @model_validator(mode="after")
    def _one_batch_server(self) -> Self:
        if self.mode == "batch" and len(self.addresses) > 1:
            raise ValueError(
                f"`mode: batch` needs a single URL, but `base_url` lists {len(self.addresses)}: a batch stays on the "
                "server that accepted it; keep one URL, or set `mode: live`"
            )
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """URLs of the servers, in the order of the build file."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url

    @property
    def address(self) -> str:
        """URL of the only server, for a section that is not a pool."""
        (only,) = self.addresses
        return only

    def at(self, address: str) -> Self:
        """Return the same section with one of its servers."""
        return self.model_copy(update={"base_url": address})


class RayVllmConfig(Config):
    """Copies of the model on the GPUs of a Ray cluster, for `in2 build --engine ray`."""

    replicas: PositiveInt = 1
    """Maximum number of copies of the model. Each takes `tensor_parallel_size` x `pipeline_parallel_size` GPUs of one
    node; when the cluster has room for fewer, the job runs with those."""
    requests_per_job: PositiveInt = 100_000
    """Maximum requests per Ray Data job. Each job loads the model again, which takes minutes; a waiting passage takes
    about 8 KB of this machine's memory."""
    batch_size: PositiveInt = 64
    """Requests per call of a copy. Their answers are stored when the call ends, so a copy that dies loses this many."""
    accelerator: str | None = None
    """Use only GPUs of this Ray accelerator type, for example `H100` or `A100`."""


class VllmConfig(Config):
    """Offline vLLM, in this process on this machine's GPUs, or on a Ray cluster with `--engine ray`."""

    model: str
    """Name or folder of the model."""
    parameters: Setting = Field({"temperature": 1.0, "max_tokens": 1024})
    """Arguments of vLLM's `SamplingParams`."""
    answer_format: Literal["json_schema", "markers"] = "json_schema"
    """Format of the answers; vLLM can enforce the schema."""
    engine: Setting = changeable({})
    """Arguments of vLLM's `LLM`, for example `{tensor_parallel_size: 2, max_model_len: 8192}`."""
    batch_requests: PositiveInt = changeable(1_024)
    """Requests per call of the engine, in this process."""
    ray: RayVllmConfig = changeable(RayVllmConfig())


class Prompts(Config):
    """Your own prompts instead of ours. `{context}` is replaced by the passage and `{count}` by the number of
    questions; all other text is kept as it is, so do not double braces."""

    fine_grained: str | None = None
    """Prompt for questions with one gold segment; ours when absent."""
    integration: str | None = None
    """Prompt for questions with several gold segments; ours when absent."""

    @field_validator("fine_grained", "integration")
    @classmethod
    def _contains_placeholder(cls, value: str | None) -> str | None:
        if value is not None and CONTEXT not in value:
            raise ValueError("the prompt has no `{context}`; put it where the passage belongs")
        return value


class Verification(Config):
    """Checks by a model, per kind of question; each costs calls. The paper makes none."""

    fine_grained: tuple[Check, ...] = ()
    """`answerable`: a judge that sees only the gold segments gives the same answer. `closed_book`: a judge that sees no
    text gives a different answer or none."""
    integration: tuple[Check, ...] = ()
    """As above, and `needs_all`: a judge that sees only one of the gold segments does not give the same answer."""
    judge: EndpointConfig | None = None
    """Model that judges; the model that writes when absent."""

    @field_validator("fine_grained")
    @classmethod
    def _has_one_gold_segment(cls, value: tuple[Check, ...]) -> tuple[Check, ...]:
        if "needs_all" in value:
            raise ValueError("`needs_all` is for integration questions; fine-grained questions have one gold segment")
        return value


class LiteralChecks(Config):
    """Bounds of the checks that always run and cost nothing."""

    question_chars: tuple[PositiveInt, PositiveInt] = (5, 1_000)
    """Shortest and longest question, in characters."""
    answer_chars: tuple[PositiveInt, PositiveInt] = (1, 4_000)
    """Shortest and longest answer, in characters."""
    min_overlap: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Minimum fraction of the answer's longer words that occur in the gold segments or the question."""
    whole_prompts: Annotated[bool, AddedLater()] = True
    """Reject answers of a server whose `usage.prompt_tokens` is smaller than the number of words that were sent: it
    has cut the prompt. False is for servers that do not count cached tokens there."""


class QuestionsConfig(Config):
    """Who writes the questions, and how they are checked."""

    writer: str = "extractive"
    """`extractive` makes questions from the text itself, without a language model, at no cost. `endpoint` asks an
    OpenAI-compatible server; `vllm` loads a model into this process. Other packages can register more."""
    endpoint: EndpointConfig | None = None
    vllm: VllmConfig | None = None
    settings: Annotated[Setting, AddedLater()] = Field(default={}, validate_default=True)
    """Settings of a writer from another package, as that package documents them."""
    forms: Annotated[Mapping[str, Weight], AddedLater()] = {}
    """Weights of the forms of question of `writer: extractive`, by direction (`forward`, `backward`, `both`), style
    (`prose`, `code`, `structured`) or form: `{backward: 2, code: 0, words_before: 3}`. 1 when absent; 0 excludes. Each
    passage is dealt a direction, then a style that its text has, then a form."""
    questions_per_call: Annotated[int, Field(ge=1, le=20)] = 1
    """Questions per call, all about the same passage. More questions share the cost of the input; the paper's prompts
    ask for one."""
    min_yield: Annotated[float, Field(ge=0, lt=1)] = changeable(0.05)
    """The build stops, and keeps everything, when with 99% confidence less than this fraction of the passages that a
    language model is asked about give an accepted question: of the last 500 passages of a kind, answers of earlier runs
    included. Without any question that is after 90 passages. 0 never stops."""
    max_calls: PositiveInt | None = changeable(None)
    """Maximum number of answers that are paid for, of all models and of all runs on the dataset folder together. A
    repeated request is answered from the work log and does not count."""
    max_cost: PositiveFloat | None = changeable(None)
    """Maximum cost in the currency of `prices`, of all models and of all runs on the dataset folder together. A call in
    flight counts with its prompt and `max_tokens`, so that the sum stays below this number."""
    prompts: Prompts = Prompts()
    checks: LiteralChecks = LiteralChecks()
    verify: Verification = Verification()

    @property
    def writer_spec(self) -> WriterDeclaration:
        """Declaration of the writer: what it is and what it needs."""
        return find_writer(self.writer)

    @property
    def weighed_forms(self) -> Sequence[FormDeclaration]:
        """Forms of question that `forms` does not exclude; empty for a writer that declares none."""
        return weighed_forms(self.writer_spec.forms(), self.forms)

    def require_forms(self, asked: Iterable[tuple[str, str, int]]) -> None:
        """Check that `forms` leaves a form for each kind of question that is asked for.

        Args:
            asked: keys of the file, each with a kind of question and the number of them that it asks for.

        Raises:
            ValueError: names the key of a kind without a form.
        """
        if not self.forms:
            return
        kinds = {form.kind for form in self.weighed_forms}
        for key, kind, count in asked:
            if count and kind not in kinds:
                raise ValueError(
                    f"`{key}` asks for {count:,} {kind.replace('_', '-')} questions, but `questions.forms` excludes "
                    "every form of this kind; set the number to 0, or give one of these forms a weight above 0"
                )

    @property
    def model(self) -> EndpointConfig | VllmConfig | None:
        """Section of the language model that writes; None when the writer asks none."""
        section = self.writer_spec.model_section
        model: EndpointConfig | VllmConfig | None = getattr(self, section) if section else None
        return model

    @field_validator("writer")
    @classmethod
    def _is_registered(cls, value: str) -> str:
        try:
            find_writer(value)
        except ConfigError as failure:
            raise ValueError(str(failure)) from None
        return value

    @field_validator("settings")
    @classmethod
    def _belong_to_the_writer(cls, value: Setting, info: ValidationInfo) -> Setting:
        writer = info.data.get("writer")  # absent when it is not registered
        return complete_settings(find_writer(writer).settings, writer, value) if writer else value

    @field_validator("forms")
    @classmethod
    def _are_forms_of_the_writer(cls, value: Mapping[str, float], info: ValidationInfo) -> Mapping[str, float]:
        if value and (writer := info.data.get("writer")):
            check_weights(find_writer(writer).forms(), writer, value)
        return value

    @model_validator(mode="after")
    def _gives_the_writer_what_it_needs(self) -> Self:
        spec = self.writer_spec
        if spec.asks_model and self.model is None:
            raise ValueError(
                f"`writer: {self.writer}` needs a section `{spec.model_section}:` with at least its `model`"
            )
        if not spec.asks_model and (self.verify.fine_grained or self.verify.integration):
            raise ValueError(f"`verify` needs a language model, and `writer: {self.writer}` has none")
        if spec.asks_model and not spec.allows_judge and self.verify.judge is not None:
            raise ValueError(f"with `writer: {self.writer}` the same model judges; delete `verify.judge`")
        return self

    @model_validator(mode="after")
    def _can_keep_its_limits(self) -> Self:
        limits = {name: getattr(self, name) for name in ("max_calls", "max_cost") if getattr(self, name) is not None}
        if limits and not self.writer_spec.keeps_limits:
            raise ValueError(
                f"`{next(iter(limits))}` limits the calls of `endpoint` and `vllm`, and cannot hold for `writer: "
                f"{self.writer}`; delete it"
            )
        if "max_cost" in limits:
            if self.writer_spec.model_section != "endpoint":
                raise ValueError(f"`writer: {self.writer}` has no prices for `max_cost`; set `max_calls` instead")
            named = {"endpoint": self.endpoint, "verify.judge": self.verify.judge}
            prices = {name: section.prices for name, section in named.items() if section is not None}
            if missing := [name for name, own in prices.items() if own is None]:
                raise ValueError(f"`max_cost` needs `{missing[0]}.prices`; give them, or set `max_calls` instead")
            if len({own.currency for own in prices.values() if own}) > 1:
                raise ValueError("`max_cost` needs one currency: `endpoint.prices` and the judge's have two")
        return self
