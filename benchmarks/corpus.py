"""Speed and memory of the corpus stage, beside the tokenizer's own speed on the same text.

    python benchmarks/corpus.py TOKENIZER --mb 10 1000 --workers 2      # the table of docs/benchmarks.md

The text is made up: news-like paragraphs of the words of the bundled corpus, as often as there; one document in a
hundred repeats an earlier one, one in five thousand with a sentence of the bundled VAL pieces. The
tokenizer's speed is that of `encode_batch_fast` on one core; the stage is everything from reading JSON Lines to the
list of segments that are not to be used. Speeds are megabytes a second of processor time, of all processes together,
so that what else the machine does counts little; the column "elapsed" is by the clock. Memory is what the processes
hold by themselves, without the files that they have mapped. Each row runs in a process of its own.
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
"""One document in so many."""
SAMPLE_MB = 8
"""Of text on which the tokenizer is timed."""


def make_text(path: Path, megabytes: int) -> tuple[int, int]:
    """Write JSON Lines; returns the documents that repeat an earlier one and those with an evaluation sentence."""
    rng = np.random.default_rng(0)
    known = Counter(
        word for document in read_documents(CorpusConfig().sources) for word in document.text.split() if word.isalpha()
    )
    vocabulary, shares = np.array(list(known)), np.array(list(known.values())) / known.total()
    pieces = Path(__file__).parents[1] / "in2_plugin/probing/data/document_sentences.jsonl.gz"
    with gzip.open(pieces, "rt") as lines:
        sentences = [next(iter(json.loads(line).values())) for line in lines]
    earlier: deque[list[str]] = deque(maxlen=1_000)
    size = number = repeated = contaminated = 0
    with path.open("w") as file:
        while size < megabytes * 1_000_000:
            words = iter(rng.choice(vocabulary, 200_000, p=shares).tolist())
            for document in _documents(words, rng):
                number += 1
                if number % REPEATS == 0:
                    # an earlier one, with another last word
                    *same, last = earlier[int(rng.integers(len(earlier)))]
                    document[:] = [*same, f"{last.rpartition(' ')[0]} indeed."]
                    repeated += 1
                if number % CONTAMINATED == CONTAMINATED // 2 + 1:  # none of those that repeat
                    document.append(sentences[number % len(sentences)])
                    contaminated += 1
                earlier.append(document)
                text = "\n".join(document)
                size += file.write(json.dumps({"text": text}) + "\n")
    return repeated, contaminated


def _documents(words: Iterator[str], rng: np.random.Generator) -> Iterator[list[str]]:
    """Documents of three to nine paragraphs of two to five sentences, until the words run out."""
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
    """MB that this process and its largest child hold at most, mapped files apart; sampled ten times a second."""
    peak = {"own": 0.0, "child": 0.0}
    stop, own = threading.Event(), _command(os.getpid())

    def sample() -> None:
        while not stop.wait(0.1):
            peak["own"] = max(peak["own"], _held(os.getpid()))
            tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
            children = [int(pid) for task in tasks for pid in task.read_text().split()]
            # one that has not begun its own program yet still holds what its parent does
            peak["child"] = max([peak["child"], *(_held(pid) for pid in children if _command(pid) != own)])

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _held(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # gone meanwhile
        return 0.0
    return next((int(line.split()[1]) / 1_000 for line in status.splitlines() if line.startswith("RssAnon")), 0.0)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def used() -> tuple[float, float]:
    """Seconds by the clock, and of processor time: of this process and of its children that have ended."""
    spent = os.times()
    return time.perf_counter(), spent.user + spent.system + spent.children_user + spent.children_system


class Clock:
    """A build's progress that notes when cutting is over."""

    def say(self, line: str) -> None:
        """Nothing."""

    def stage(self, name, total, detail=None):
        """Note the begin of the comparison."""
        if name.startswith("comparing"):
            self.screened = used()
        return nullcontext(lambda steps: None)


def run_one(tokenizer_name: str, megabytes: int, workers: int) -> dict[str, float]:
    """Figures of one size, in this process."""
    from in2_plugin.corpus.screening.screen import screening_facts
    from in2_plugin.corpus.tokenizer import load_tokenizer
    from in2_plugin.execution.local import LocalEngine
    from in2_plugin.pipeline.run import Run
    from in2_plugin.pipeline.stages.segments import segment_stage

    tokenizer = load_tokenizer(tokenizer_name)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "text.jsonl"
        repeated, contaminated = make_text(path, megabytes)
        asked = {"output": temporary, "tokenizer": tokenizer_name, "corpus": {"sources": [str(path)]}}
        clock = Clock()
        alone = tokenizer_speed(tokenizer, path)
        with peak_memory() as peak:
            started = used()
            store = segment_stage(Run(BuildConfig.parse(asked, "benchmark"), clock, LocalEngine(workers)), tokenizer)
            cut, ended = clock.screened, used()
        facts = screening_facts(store.folder)
        size = path.stat().st_size / 1e6
        again = tokenizer_speed(tokenizer, path)
        repeats = documents_with_repeats(store.folder)
    return {
        "mb": size, "tokenizer": (alone + again) / 2, "cutting": size / (cut[1] - started[1]),
        "screening": size / (ended[1] - cut[1]), "all": size / (ended[1] - started[1]),
        "elapsed": size / (ended[0] - started[0]), **peak,
        "repeats": repeats, "repeated": repeated, "contaminated": facts.contaminated_documents, "planted": contaminated,
    }  # fmt: skip


def documents_with_repeats(folder: Path) -> int:
    """Documents of which a segment repeats an earlier one."""
    from in2_plugin.corpus.store import SegmentStore

    store = SegmentStore(folder)
    return len(np.unique(store.document[list(store.repeats)]))


def tokenizer_speed(tokenizer, path: Path) -> float:
    """MB/s of the tokenizer on whole documents, on one core: RAYON_NUM_THREADS is set."""
    texts, size = [], 0
    with path.open() as file:
        for line in file:
            texts.append(json.loads(line)["text"])
            size += len(texts[-1].encode())
            if size > SAMPLE_MB * 1_000_000:
                break
    started = used()
    for start in range(0, len(texts), 256):
        tokenizer.ids(texts[start : start + 256])
    return size / 1e6 / (used()[1] - started[1])


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
        "| MB | workers | tokenizer | cutting | screening | all | all / tokenizer | elapsed | "
        "peak MB, parent / worker | repeats | contaminated |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    environment = {**os.environ, "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    for megabytes in arguments.mb:
        for workers in arguments.workers:
            command = [sys.executable, __file__, arguments.tokenizer, "--one", "--mb", str(megabytes), "--workers"]
            said = subprocess.run([*command, str(workers)], check=True, stdout=subprocess.PIPE, env=environment).stdout
            f = json.loads(said)
            print(
                f"| {f['mb']:,.0f} | {workers} | {f['tokenizer']:.2f} | {f['cutting']:.2f} | {f['screening']:.2f} | "
                f"{f['all']:.2f} | {f['all'] / f['tokenizer']:.2f} | {f['elapsed']:.2f} | "
                f"{f['own']:,.0f} / {f['child']:,.0f} | "
                f"{f['repeats']:,} / {f['repeated']:,} | {f['contaminated']} / {f['planted']} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
