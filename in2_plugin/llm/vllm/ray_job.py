"""One group of requests as a Ray Data job: rows in, vLLM's answers out, block by block.

This code runs on the cluster. The rows pass through Ray's own vLLM stage, whose replicas are actors with GPUs. The chat
template is applied here, because Ray's stages add a second beginning-of-text token to prompts whose template writes
one, and `LLM.chat` does not. Invariant: each row comes back once, with an answer or a reason for the failure.
Cost: each replica loads the model once. Ray's object store holds the prompts about twice: 0.8 GB for 100,000 of 4 KB.
"""

import functools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RESTARTS = 3
"""Restarts of a replica whose engine died. Ray's default is unlimited, and an engine that dies of the same request each
time would reload the model forever."""
SEQUENCES = 1_024
"""vLLM's default of `max_num_seqs` on an H100."""
ERROR = "__inference_error__"
"""Column in which Ray's stage stores the error of a row that the engine rejected."""
STAGE = "vLLMEngineStage"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """The settings that all rows of a job share."""

    model: str
    engine: Mapping[str, Any]
    """Arguments of vLLM's engine, as in the build file."""
    chat: Mapping[str, Any]
    """Arguments of the chat template."""
    samplings: tuple[str, ...]
    """The distinct arguments of `SamplingParams` as JSON; all have the same names."""
    replicas: int
    batch_size: int
    accelerator: str | None


def gpus_of(engine: Mapping[str, Any]) -> int:
    """Return the GPUs that one replica needs, all on one node."""
    return int(engine.get("tensor_parallel_size", 1)) * int(engine.get("pipeline_parallel_size", 1))


def sampling_json(arguments: Mapping[str, Any], schema: Mapping[str, Any] | None) -> str:
    """Return arguments of `SamplingParams` as JSON for Ray's stage.

    The schema stays text: rows become Arrow tables, in which schemas of different shapes would get each other's fields.
    """
    structured = None if schema is None else {"json": json.dumps(schema)}
    return json.dumps({**arguments, "structured_outputs": structured}, sort_keys=True)


def processor_config(job: Job) -> Any:
    """Return Ray's `vLLMEngineProcessorConfig` of a job."""
    from ray.data.llm import vLLMEngineProcessorConfig

    engine = dict(job.engine)
    if gpus_of(engine) > 1:
        # Ray's default here is "ray", whose placement groups outlive the job: the next one would wait for their GPUs
        engine.setdefault("distributed_executor_backend", "mp")
    sequences = int(engine.get("max_num_seqs") or SEQUENCES)
    return vLLMEngineProcessorConfig(
        model_source=job.model,
        engine_kwargs=engine,
        batch_size=job.batch_size,
        concurrency=(job.replicas, job.replicas),
        max_concurrent_batches=max(2, math.ceil(sequences / job.batch_size)),
        accelerator_type=job.accelerator,
        should_continue_on_error=True,
        chat_template_stage=False,
        tokenize_stage=False,
        detokenize_stage=False,
    )


def run_job(job: Job, rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Answer rows `{row, prompt, sampling}`, where `sampling` is the number of a set of sampling arguments.

    Yields:
        An empty block once everything is imported, then blocks of `batch_size` rows `{row, text, input_tokens,
        output_tokens, error}`.

    Raises:
        Exception: any error of Ray that ends the job.
    """
    import ray.data
    from ray.data.llm import build_processor

    processor = build_processor(
        processor_config(job), preprocess=functools.partial(to_engine_input, job), postprocess=to_output_row
    )
    processor.get_stage_by_name(STAGE).map_batches_kwargs.update(max_restarts=RESTARTS, max_task_retries=RESTARTS)
    yield []  # any later failure is one of the job itself
    # one block per batch: Ray passes on a block when all of it is done
    blocks = ray.data.from_items(list(rows), override_num_blocks=math.ceil(len(rows) / job.batch_size))
    # no prefetching, which would hold back each block until the next one arrives
    tables: Iterator[Any] = iter(
        processor(blocks).iter_batches(batch_size=None, prefetch_batches=0, batch_format="pyarrow")
    )
    for block in tables:
        yield [_outcome(row) for row in block.to_pylist()]


def to_engine_input(job: Job, row: Row) -> Row:
    """Return the input of Ray's vLLM stage for a row."""
    chat = [{"role": "user", "content": row["prompt"]}]
    ids = _tokenizer(job.model, _tokenizer_arguments(job.engine)).apply_chat_template(
        chat, add_generation_prompt=True, return_dict=False, **job.chat
    )
    return {"tokenized_prompt": ids, "sampling_params": json.loads(job.samplings[row["sampling"]])}


def to_output_row(row: Row) -> Row:
    """Return the columns of an answered row that are kept; Ray's stage has no finish reason."""
    return {
        "row": row["row"],
        "generated_text": row["generated_text"],
        "num_input_tokens": row["num_input_tokens"],
        "num_generated_tokens": row["num_generated_tokens"],
    }


def _outcome(row: Row) -> Row:
    return {
        "row": row["row"],
        "text": row["generated_text"],
        "input_tokens": row["num_input_tokens"],
        "output_tokens": row["num_generated_tokens"],
        "error": row.get(ERROR) or "",
    }


_TOKENIZER_ARGUMENTS = ("trust_remote_code", "revision", "tokenizer_revision", "tokenizer")


def _tokenizer_arguments(engine: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, engine[name]) for name in _TOKENIZER_ARGUMENTS if engine.get(name) is not None)


@functools.lru_cache(maxsize=1)
def _tokenizer(model: str, arguments: tuple[tuple[str, Any], ...]) -> Any:
    """Load the tokenizer that vLLM uses for these arguments; once per process."""
    from transformers import AutoTokenizer

    engine = dict(arguments)
    revision = engine.get("tokenizer_revision") or engine.get("revision")
    return AutoTokenizer.from_pretrained(
        engine.get("tokenizer") or model,
        revision=revision or "main",
        trust_remote_code=bool(engine.get("trust_remote_code", False)),
    )
