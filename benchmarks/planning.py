"""Measure how fast questions are written from text, contexts are drawn, and examples are planned, on one core.

    in2 build build.yml && python benchmarks/planning.py data/in2 --tokenizer model --other ../earlier

The steps run again on the segments and the questions of a finished dataset. `--other` is a checkout of another commit:
both run in turn, each in its own processes, and the table says if they give the same bytes. Speeds are per second of
processor time, so that other load matters little; of `--runs`, the fastest counts. `--lengths` and `--per-context`
replace the settings of the dataset.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from measured import ROOT, heading, in_own_process, tabulate

STEPS = ("fine-grained questions", "integration questions", "contexts drawn", "examples planned")
PASSAGES = 512
"""Passages of a shard of questions."""


def timed(blobs: Callable[[], Iterable[bytes]], count: Callable[[bytes], int]) -> dict[str, Any]:
    """Return the number of results of a step, its processor seconds, and a digest of the bytes."""
    begun = time.process_time()
    made = list(blobs())
    seconds = time.process_time() - begun
    return {"n": sum(map(count, made)), "s": seconds, "digest": hashlib.sha256(b"".join(made)).hexdigest()}


def rows_in(blob: bytes) -> int:
    """Return the rows of an Arrow stream without those that have a reason of their rejection."""
    import pyarrow as pa

    table = pa.ipc.open_stream(blob).read_all()
    return int(table["reason"].null_count if "reason" in table.column_names else table.num_rows)


def measure(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Run all steps in this process."""
    import in2_plugin

    assert in2_plugin.__file__.startswith(job["checkout"]), in2_plugin.__file__
    handle, config, questions, conversations = opened(job)
    found = [written(handle, config, *each) for each in (("fine_grained", job["n"]), ("integration", job["n"] // 3))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.arrow"
        return [*found, drawn(handle, config, questions, conversations, job["n"], path), planned(handle, path)]


def opened(job: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """Return planner, build file, questions and conversations of the dataset."""
    from in2_plugin.config import BuildConfig
    from in2_plugin.corpus.store import SegmentStore
    from in2_plugin.corpus.tokenizer import load_tokenizer
    from in2_plugin.dataset.reader import prepare_frames
    from in2_plugin.dataset.tables import StoredConversations, StoredQuestions
    from in2_plugin.examples.template import Template
    from in2_plugin.pipeline.planner_handle import PlannerHandle

    folder = Path(job["dataset"])
    build = json.loads((folder / "build.json").read_text(encoding="utf-8"))
    build["corpus"]["decontamination"].pop("against", None)  # screening is over
    config = BuildConfig.model_validate({**build, **job["changes"]})
    tokenizer = load_tokenizer(job["tokenizer"])
    template = Template(config.template, tokenizer)
    prepare_frames(template, config.questions_per_context, 0)
    settings = config.lengths, config.positions, config.distractors, config.seed
    handle = PlannerHandle(SegmentStore(folder / "segments"), tokenizer, template, *settings)
    tables = StoredQuestions(folder / "questions.parquet"), StoredConversations(folder / "instructions.parquet")
    return handle, config, *tables


def written(handle: Any, config: Any, name: str, most: int) -> dict[str, Any]:
    """Write extractive questions of one kind about `most` passages, and check them as a build does."""
    from in2_plugin.pipeline.passages import part_passages
    from in2_plugin.pipeline.stages.sharded_writer import WriteShard
    from in2_plugin.questions import Kind, Part
    from in2_plugin.questions.extractive.writer import ExtractiveWriter

    source = part_passages(handle.store, Part(name), Kind(name), config.lengths, config.seed, with_texts=False)
    passages, shard = list(islice(source, most)), WriteShard(ExtractiveWriter(config.seed), handle)
    list(shard(passages[:1]))  # reads the vocabulary and the model of sentences, once per process
    shards = [passages[i : i + PASSAGES] for i in range(0, len(passages), PASSAGES)]
    return timed(lambda: (blob for each in shards for blob in shard(each)), rows_in)


def drawn(handle: Any, config: Any, questions: Any, conversations: Any, most: int, path: Path) -> dict[str, Any]:
    """Draw the contexts of up to `most` questions of each part into a file."""
    from in2_plugin.dataset.order_table import StoredOrders, write_orders
    from in2_plugin.examples.positions import Dealer
    from in2_plugin.examples.specs import orders
    from in2_plugin.pipeline.run import stage_rng
    from in2_plugin.pipeline.stages.examples import SHARD_EXAMPLES
    from in2_plugin.pipeline.stages.questions import used_questions

    used = {part: numbers[:most] for part, numbers in used_questions(config.mixture, questions, 1.0).items()}
    rng, together = stage_rng(config.seed, "examples"), handle.planner.go_together
    dealer = Dealer(config.positions, rng)

    def draw() -> Iterator[bytes]:
        found = orders(questions, used, conversations, 0, config.questions_per_context, together, dealer, rng)
        write_orders(path, found, SHARD_EXAMPLES, "a benchmark")
        yield path.read_bytes()

    result = timed(draw, len)
    stored = StoredOrders(path)
    return {**result, "n": sum(len(stored[shard]) for shard in range(stored.shards))}


def planned(handle: Any, path: Path) -> dict[str, Any]:
    """Plan the first examples of a file of contexts."""
    from in2_plugin.dataset.order_table import StoredOrders
    from in2_plugin.pipeline.stages.examples import PlanShard

    shard = PlanShard(handle, StoredOrders(path))
    return timed(lambda: islice(shard(0), 2), rows_in)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path, nargs="?")
    parser.add_argument("--tokenizer", help="folder or name; that of the build file when absent")
    parser.add_argument("--other", type=Path, help="checkout to compare with")
    parser.add_argument("--questions", type=int, default=2_000)
    parser.add_argument("--lengths", type=int, nargs=2)
    parser.add_argument("--per-context", type=int)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        print(json.dumps(measure(options.job)))
        return
    build = json.loads((options.dataset / "build.json").read_text(encoding="utf-8"))
    changes = {"lengths": options.lengths and dict(zip(("min", "max"), options.lengths, strict=True)),
               "questions_per_context": options.per_context}  # fmt: skip
    job = {
        "dataset": str(options.dataset.absolute()), "tokenizer": options.tokenizer or build["tokenizer"],
        "n": options.questions, "changes": {key: value for key, value in changes.items() if value},
    }  # fmt: skip
    checkouts = [ROOT, *([options.other.absolute()] if options.other else [])]
    runs = [
        [in_own_process(__file__, {**job, "checkout": str(each)}, PYTHONPATH=str(each)) for each in checkouts]
        for _ in range(options.runs)
    ]
    print(heading())
    show(runs)


def show(runs: list[list[list[dict[str, Any]]]]) -> None:
    """Print the table; `runs` has the steps of this checkout, and of the other one, for each run."""
    row = tabulate("step | results | CPU s | per second | before, CPU s | times faster | same bytes")
    for number, step in enumerate(STEPS):
        found = [min((run[i][number] for run in runs), key=lambda each: each["s"]) for i in range(len(runs[0]))]
        now, before = found[0], found[1:]
        compared = ["-"] * 3
        for other in before:
            same = "yes" if other["digest"] == now["digest"] else "no"
            compared = [f"{other['s']:.2f}", f"{other['s'] / now['s']:.1f}", same]
        row(step, f"{now['n']:,}", f"{now['s']:.2f}", f"{now['n'] / now['s']:,.0f}", *compared)


if __name__ == "__main__":
    main()
