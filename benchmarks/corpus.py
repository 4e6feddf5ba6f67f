"""Measure speed and memory of the corpus stage, and the tokenizer's own speed on the same text.

    python benchmarks/corpus.py TOKENIZER --mb 10 1000 --workers 2      # the table of docs/benchmarks.md

The text is synthetic: news-like paragraphs with the word frequencies of the bundled corpus. One document in a hundred
repeats an earlier one; one in five thousand has a sentence of the bundled VAL items. The tokenizer's speed is that of
`encode_batch_fast` on one core. The stage is everything from reading JSON Lines to the list of excluded segments.
Speeds are megabytes per second of CPU time of all processes, so that other load on the machine matters little; the
column "elapsed" is wall-clock time. Memory excludes mapped files. Each row runs in its own process.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np

from in2_plugin.config import BuildConfig, CorpusConfig
from in2_plugin.corpus.sources.documents import read_documents

REPEATS, CONTAMINATED = 100, 5_000
"""One document in this many repeats an earlier one, or contains an evaluation sentence."""
SAMPLE_MB = 8
"""Megabytes of text on which the tokenizer is timed."""


def make_text(path: Path, megabytes: int) -> tuple[int, int]:
    """Write JSON Lines; return how many documents repeat an earlier one and how many have an evaluation sentence."""
    rng = np.random.default_rng(0)
    known = Counter(
        word for document in read_documents(CorpusConfig().sources) for word in document.text.split() if word.isalpha()
    )
    vocabulary, shares = np.array(list(known)), np.array(list(known.values())) / known.total()
    items = Path(__file__).parents[1] / "in2_plugin/probing/data/document_sentences.jsonl.gz"
    with gzip.open(items, "rt") as lines:
        sentences = [next(iter(json.loads(line).values())) for line in lines]
    earlier: deque[list[str]] = deque(maxlen=1_000)
    size = number = repeated = contaminated = 0
    with path.open("w") as file:
        while size < megabytes * 1_000_000:
            words = iter(rng.choice(vocabulary, 200_000, p=shares).tolist())
            for document in _documents(words, rng):
                number += 1
                if number % REPEATS == 0:
                    # an earlier document with another last word
                    *same, last = earlier[int(rng.integers(len(earlier)))]
                    document[:] = [*same, f"{last.rpartition(' ')[0]} indeed."]
                    repeated += 1
                if number % CONTAMINATED == CONTAMINATED // 2 + 1:  # not one of the repeated documents
                    document.append(sentences[number % len(sentences)])
                    contaminated += 1
                earlier.append(document)
                text = "\n".join(document)
                size += file.write(json.dumps({"text": text}) + "\n")
    return repeated, contaminated


def _documents(words: Iterator[str], rng: np.random.Generator) -> Iterator[list[str]]:
    """Yield documents of three to nine paragraphs of two to five sentences, until the words run out."""
    while True:
        document = []
        for _ in range(int(rng.integers(3, 10))):
            sentences = []
            for length in rng.integers(6, 26, int(rng.integers(2, 6))).tolist():
                sentence = [word for word, _ in zip(words, range(length), strict=False)]
                if len(sentence) < length:
                    return
                sentences.append(" ".join(sentence).capitalize() + rng.choice([".", ".", ".", "?", "!"]))
            document.append(" ".join(sentences))
        yield document


@contextmanager
def peak_memory() -> Iterator[dict[str, float]]:
    """Sample the peak memory in MB of this process and its largest child, without mapped files, every 0.1 s."""
    peak = {"own": 0.0, "child": 0.0}
    stop, own = threading.Event(), _command(os.getpid())

    def sample() -> None:
        while not stop.wait(0.1):
            peak["own"] = max(peak["own"], _anonymous_mb(os.getpid()))
            tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
            children = [int(pid) for task in tasks for pid in task.read_text().split()]
            # a child that has not started its own program yet has the memory of its parent
            peak["child"] = max([peak["child"], *(_anonymous_mb(pid) for pid in children if _command(pid) != own)])

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _anonymous_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # the process has ended
        return 0.0
    return next((int(line.split()[1]) / 1_000 for line in status.splitlines() if line.startswith("RssAnon")), 0.0)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def times() -> tuple[float, float]:
    """Return seconds of wall-clock time, and of CPU time of this process and its finished children."""
    spent = os.times()
    return time.perf_counter(), spent.user + spent.system + spent.children_user + spent.children_system


class Clock:
    """Record when segmentation ends, as the progress of a build."""

    def say(self, line: str) -> None:
        """Drop the line."""

    def stage(self, name, total, detail=None):
        """Record the start of the comparison with evaluation sets."""
        if name.startswith("comparing"):
            self.screened = times()
        return nullcontext(lambda steps: None)


def run_one(tokenizer_name: str, megabytes: int, workers: int) -> dict[str, float]:
    """Return the figures for one size, measured in this process."""
    from in2_plugin.corpus.screening.screen import screening_facts
    from in2_plugin.corpus.tokenizer import load_tokenizer
    from in2_plugin.execution.local import LocalEngine
    from in2_plugin.pipeline.run import Run
    from in2_plugin.pipeline.stages.segments import segment_stage

    tokenizer = load_tokenizer(tokenizer_name)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "text.jsonl"
        repeated, contaminated = make_text(path, megabytes)
        settings = {"output": temporary, "tokenizer": tokenizer_name, "corpus": {"sources": [str(path)]}}
        clock = Clock()
        speed_before = tokenizer_speed(tokenizer, path)
        with peak_memory() as peak:
            started = times()
            store = segment_stage(Run(BuildConfig.parse(settings, "benchmark"), clock, LocalEngine(workers)), tokenizer)
            cut, ended = clock.screened, times()
        facts = screening_facts(store.folder)
        size = path.stat().st_size / 1e6
        speed_after = tokenizer_speed(tokenizer, path)
        repeats = documents_with_repeats(store.folder)
    return {
        "mb": size, "tokenizer": (speed_before + speed_after) / 2, "cutting": size / (cut[1] - started[1]),
        "screening": size / (ended[1] - cut[1]), "all": size / (ended[1] - started[1]),
        "elapsed": size / (ended[0] - started[0]), **peak,
        "repeats": repeats, "repeated": repeated, "contaminated": facts.contaminated_documents, "planted": contaminated,
    }  # fmt: skip


def documents_with_repeats(folder: Path) -> int:
    """Return the number of documents with a segment that repeats an earlier one."""
    from in2_plugin.corpus.store import SegmentStore

    store = SegmentStore(folder)
    return len(np.unique(store.document[list(store.repeats)]))


def tokenizer_speed(tokenizer, path: Path) -> float:
    """Return the MB/s of the tokenizer on whole documents, on one core (RAYON_NUM_THREADS is set)."""
    texts, size = [], 0
    with path.open() as file:
        for line in file:
            texts.append(json.loads(line)["text"])
            size += len(texts[-1].encode())
            if size > SAMPLE_MB * 1_000_000:
                break
    started = times()
    for start in range(0, len(texts), 256):
        tokenizer.ids(texts[start : start + 256])
    return size / 1e6 / (times()[1] - started[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tokenizer", help="folder or name of a tokenizer")
    parser.add_argument("--mb", type=int, nargs="+", default=[10, 1_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_one(arguments.tokenizer, arguments.mb[0], arguments.workers[0])))
        return
    print(
        "| MB | workers | tokenizer | segmentation | screening | all | all / tokenizer | elapsed | "
        "peak MB, parent / worker | duplicates found / planted | contaminated |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    environment = {**os.environ, "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    for megabytes in arguments.mb:
        for workers in arguments.workers:
            command = [sys.executable, __file__, arguments.tokenizer, "--one", "--mb", str(megabytes), "--workers"]
            done = subprocess.run([*command, str(workers)], check=True, stdout=subprocess.PIPE, env=environment)
            f = json.loads(done.stdout)
            print(
                f"| {f['mb']:,.0f} | {workers} | {f['tokenizer']:.2f} | {f['cutting']:.2f} | {f['screening']:.2f} | "
                f"{f['all']:.2f} | {f['all'] / f['tokenizer']:.2f} | {f['elapsed']:.2f} | "
                f"{f['own']:,.0f} / {f['child']:,.0f} | "
                f"{f['repeats']:,} / {f['repeated']:,} | {f['contaminated']} / {f['planted']} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
