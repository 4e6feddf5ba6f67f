"""Measure time and memory of building and scoring the VAL probes at their published size, without a model.

    python benchmarks/val_probing.py                  # the tables of docs/benchmarks.md, three minutes
    python benchmarks/val_probing.py --only files     # without lm_eval
    python benchmarks/val_probing.py --quick          # short contexts and few questions, to see that it runs

4 contexts of 32K tokens per probe, tokenizer of Mistral-7B-Instruct-v0.2. First as files, 3,200, 3,200 and 3,000
questions, like `in2 val write` and `in2 val score`, with perfect answers. Then with lm_eval, 3 x 3,200 questions, and a
model that returns empty answers. Every row is a separate process with its own peak memory.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measured import ROOT, heading, held, in_own_process, tabulate, used

SECTIONS = ("files", "lm_eval")
QUESTIONS = {"document": 800, "code": 800, "database": 750}
"""Per context."""


def make_tokenizer(folder: Path) -> Path:
    """Write the real vocabulary of Mistral-7B-Instruct-v0.2, from the `mistral-common` package."""
    sys.path.insert(0, str(ROOT))
    from tests.support import vocabularies

    return vocabularies.save(vocabularies.mistral(), folder, None, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def measure_files(job: dict[str, Any]) -> dict[str, Any]:
    """Build, write, answer and score one probe or all in this process."""
    began = time.perf_counter()
    import numpy as np

    from in2_plugin.probing.offline.gold import read_gold
    from in2_plugin.probing.offline.predictions import pair, read_predictions
    from in2_plugin.probing.offline.scoring import score_predictions
    from in2_plugin.probing.offline.sources import offline_built
    from in2_plugin.probing.offline.write import Form, write_probe
    from in2_plugin.probing.probes.options import ProbeOptions
    from in2_plugin.probing.probes.registry import PROBES
    from in2_plugin.probing.probes.tokens import load_tokens

    # imports transformers, which takes most of a short run and is not our code
    load_tokens({"pretrained": job["tokenizer"]}, takes_chat_template=True)
    times = {"start": time.perf_counter() - began, "build": 0.0, "write": 0.0, "score": 0.0}
    asked, size, averages = 0, 0, []
    for name in job["probes"]:
        clock = time.perf_counter()
        options = ProbeOptions(probe_length=job["length"], probe_questions=min(job["questions"], QUESTIONS[name]))
        probe = offline_built(PROBES[name], options, job["tokenizer"], "plain")
        built = time.perf_counter()
        written = write_probe(probe, Path(job["folder"]) / name, Form.PROMPTS)
        wrote = time.perf_counter()
        answers = written.folder / "answers.jsonl"
        with answers.open("w") as file:
            for question in probe.questions:
                file.write(json.dumps({"sample": " ".join(_gold(question.gold_row))}) + "\n")
        answered = time.perf_counter()
        pairs = pair(read_gold(PROBES[name], written.folder / "gold.jsonl"), read_predictions([answers]))
        averages.append(score_predictions(PROBES[name], pairs, np.random.default_rng(0)).curve.avg)
        times["build"] += built - clock
        times["write"] += wrote - built
        times["score"] += time.perf_counter() - answered
        asked += written.questions
        size += (written.folder / written.files[0]).stat().st_size
    return {**times, "questions": asked, "bytes": size, "perfect": averages, "peak": held("VmHWM"), "worked": used()[1]}


def _gold(row: dict[str, Any]) -> list[str]:
    return [row[field] for field in ("completion", "label", "description") if field in row]


def print_files(folder: Path, tokenizer: Path, length: int, questions: int) -> None:
    row = tabulate(
        "probes | prompts | GB | imports, s | build, s | write, s | score, s | all, s | core, s | peak, MB | perfect"
    )
    cells = [[name] for name in QUESTIONS] + [list(QUESTIONS)]
    for index, probes in enumerate(cells):
        job = {"kind": "files", "probes": probes, "length": length, "questions": questions}
        found = in_own_process(__file__, {**job, "tokenizer": str(tokenizer), "folder": str(folder / f"files-{index}")})
        seconds = [found[name] for name in ("start", "build", "write", "score")]
        row(
            probes[0] if len(probes) == 1 else "all three", f"{found['questions']:,}", f"{found['bytes'] / 1e9:.2f}",
            *(f"{one:.1f}" for one in (*seconds, sum(seconds))), f"{found['worked']:.1f}", f"{found['peak'] / 1e6:.0f}",
            ", ".join(f"{100 * average:g}" for average in found["perfect"]),
        )  # fmt: skip


def measure_lm_eval(job: dict[str, Any]) -> dict[str, Any]:
    """Run the group of three with lm_eval's own command line, in this process."""
    from lm_eval.api.model import LM
    from lm_eval.api.registry import register_model

    from in2_plugin.probing.lm_eval import tasks
    from in2_plugin.probing.lm_eval.run import run_lm_eval

    @register_model("silent")
    class Silent(LM):  # lm_eval's own `dummy` needs a tokenizer from the hub
        def __init__(self, **_: Any) -> None:
            super().__init__()

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            return [""] * len(requests)

        def loglikelihood(self, requests: list[Any]) -> list[Any]:
            raise NotImplementedError

        loglikelihood_rolling = loglikelihood

    began, plain, lengths, before = time.perf_counter(), tasks.doc_to_text, [], []

    def counting(row: dict[str, Any]) -> str:
        if not before:
            before.append(held("VmRSS"))
        text = plain(row)
        lengths.append(len(text))
        return text

    tasks.doc_to_text = counting
    metadata = {"probe_length": job["length"], "probe_questions": job["questions"]}
    run_lm_eval(
        ["run", "--model", "silent", "--model_args", f"pretrained={job['tokenizer']},max_length={job['length']}",
         "--tasks", "val_probe", "--metadata", json.dumps(metadata), "--output_path", job["folder"], *job["more"]]
    )  # fmt: skip
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "calls": len(lengths), "text": sum(lengths), "before": before[0], "peak": held("VmHWM")}


def print_lm_eval(folder: Path, tokenizer: Path, length: int, questions: int) -> None:
    row = tabulate("lm_eval | prompts made | GB of text | s | peak, GB | before the first prompt, GB | of the text")
    for name, more in (("", []), ("with `--log_samples`", ["--log_samples"])):
        job = {"kind": "lm_eval", "length": length, "questions": questions, "tokenizer": str(tokenizer), "more": more}
        found = in_own_process(__file__, {**job, "folder": str(folder / f"lm_eval{len(more)}")})
        sizes = (f"{found[what] / 1e9:.2f}" for what in ("peak", "before"))
        share = (found["peak"] - found["before"]) / found["text"]
        cells = (f"{found['calls']:,}", f"{found['text'] / 1e9:.2f}", f"{found['seconds']:.0f}", *sizes)
        row(name or "without samples", *cells, f"{share:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=SECTIONS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        job = json.loads(arguments.job)
        print(json.dumps({"files": measure_files, "lm_eval": measure_lm_eval}[job["kind"]](job)))
        return
    length, questions = (1_024, 8) if arguments.quick else (32_768, 800)
    print(heading())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tokenizer = make_tokenizer(folder / "tokenizer")
        if "files" in arguments.only:
            print_files(folder, tokenizer, length, questions)
        if "lm_eval" in arguments.only:
            print_lm_eval(folder, tokenizer, length, questions)


if __name__ == "__main__":
    main()
