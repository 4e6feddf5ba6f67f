"""One group of requests as one Ray Data job: rows in, vLLM's answers out, block by block as they are done.

All here runs on the cluster. The rows go through Ray's own stage for vLLM, whose copies of the model are actors that
hold GPUs. The chat template is applied here and not by Ray's stages for that: they put a second beginning-of-text token
before the prompts of models whose template writes one, which `LLM.chat` does not do. Invariant: each row comes back
once, with an answer or with the reason why it has none.
Cost: each copy loads the model once. Ray's object store holds the prompts about twice: 0.8 GB for 100,000 of 4 KB.
"""

import functools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RESTARTS = 3
"""Times that a copy of the model is started anew after its engine died. Ray's own number is without end, and then an
engine that dies of the same request each time would load the model for ever."""
SEQUENCES = 1_024
"""Sequences that vLLM computes at once at most, if its `max_num_seqs` is not set: so many on an H100."""
ERROR = "__inference_error__"
"""Where Ray's stage puts what an engine said to a row that it refused."""
STAGE = "vLLMEngineStage"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """What all rows of a job have in common."""

    model: str
    engine: Mapping[str, Any]
    """Arguments of vLLM's engine, as the build file has them."""
    chat: Mapping[str, Any]
    """Arguments of the chat template."""
    samplings: tuple[str, ...]
    """Arguments of `SamplingParams` as JSON, each set of them that occurs; all have the same names."""
    replicas: int
    batch_size: int
    accelerator: str | None


def gpus_of(engine: Mapping[str, Any]) -> int:
    """GPUs that one copy of the model takes, all on one node."""
    return int(engine.get("tensor_parallel_size", 1)) * int(engine.get("pipeline_parallel_size", 1))


def sampling_json(own: Mapping[str, Any], schema: Mapping[str, Any] | None) -> str:
    """Arguments of `SamplingParams` as Ray's stage takes them.

    The schema stays text within: rows become Arrow tables, in which two schemas of different shape would get each
    other's fields.
    """
    forced = None if schema is None else {"json": json.dumps(schema)}
    return json.dumps({**own, "structured_outputs": forced}, sort_keys=True)


def processor_config(job: Job) -> Any:
    """Ray's `vLLMEngineProcessorConfig` of a job."""
    from ray.data.llm import vLLMEngineProcessorConfig

    engine = dict(job.engine)
    if gpus_of(engine) > 1:
        # Ray's choice here is "ray", whose placement groups outlive the job: the next one would wait for their GPUs
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


def answered(job: Job, rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Answer rows `{row, prompt, sampling}`, where `sampling` is the number of a set of sampling arguments.

    Yields:
        An empty block when everything is imported, then blocks of `batch_size` rows as they are ready: `{row, text,
        input_tokens, output_tokens, error}`.

    Raises:
        Exception: whatever Ray raises when the job cannot go on.
    """
    import ray.data
    from ray.data.llm import build_processor

    processor = build_processor(processor_config(job), preprocess=functools.partial(prepared, job), postprocess=kept)
    processor.get_stage_by_name(STAGE).map_batches_kwargs.update(max_restarts=RESTARTS, max_task_retries=RESTARTS)
    yield []  # from here on a failure is one of the job
    # one block a batch: Ray hands on a block when all of it is done
    blocks = ray.data.from_items(list(rows), override_num_blocks=math.ceil(len(rows) / job.batch_size))
    # no prefetching, which would hold back each block until the next is there
    tables: Iterator[Any] = iter(
        processor(blocks).iter_batches(batch_size=None, prefetch_batches=0, batch_format="pyarrow")
    )
    for block in tables:
        yield [_outcome(row) for row in block.to_pylist()]


def prepared(job: Job, row: Row) -> Row:
    """What Ray's stage for vLLM needs of a row."""
    chat = [{"role": "user", "content": row["prompt"]}]
    ids = _tokenizer(job.model, _told(job.engine)).apply_chat_template(
        chat, add_generation_prompt=True, return_dict=False, **job.chat
    )
    return {"tokenized_prompt": ids, "sampling_params": json.loads(job.samplings[row["sampling"]])}


def kept(row: Row) -> Row:
    """What is kept of an answered row; Ray's stage gives no reason for its end."""
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


_TOLD = ("trust_remote_code", "revision", "tokenizer_revision", "tokenizer")


def _told(engine: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, engine[name]) for name in _TOLD if engine.get(name) is not None)


@functools.lru_cache(maxsize=1)
def _tokenizer(model: str, told: tuple[tuple[str, Any], ...]) -> Any:
    """The tokenizer that vLLM loads for these arguments; once a process."""
    from transformers import AutoTokenizer

    engine = dict(told)
    revision = engine.get("tokenizer_revision") or engine.get("revision")
    return AutoTokenizer.from_pretrained(
        engine.get("tokenizer") or model,
        revision=revision or "main",
        trust_remote_code=bool(engine.get("trust_remote_code", False)),
    )
