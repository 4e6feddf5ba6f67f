"""Measure what each command costs: processor time and peak memory of one process, from start to end.

    python benchmarks/commands.py                            # the `in2` beside this Python
    python benchmarks/commands.py --in2 /old/.venv/bin/in2   # another one, with the package it is installed with

Each command runs RUNS times, and the table has the run with the least processor time. The dataset has 130 examples from
400 bundled documents, built by one worker. Nothing else should run meanwhile; the processor time of a command changes
little if something does, its wall time does.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measured import ENVIRONMENT, ROOT, heading
from training_data_made import TEMPLATE

RUNS = 3
ESTIMATED = """\
questions:
  writer: endpoint
  endpoint: {model: m, base_url: "http://localhost:1/v1", api_key_env: null}
"""
BUILD = """\
output: {folder}/data
tokenizer: {folder}/tokenizer
corpus: {{sources: [{{path: "bundled:python-docs", limit: 400}}]}}
mixture: {{fine_grained: 70, integration: 30, short_context: 30}}
lengths: {{min: 512, max: 2048}}
workers: 1
"""


def commands(folder: Path) -> Iterator[tuple[str, list[str], Path | None]]:
    """Yield each command's name, its arguments, and what it writes, which is deleted before it runs."""
    data, build = str(folder / "data"), str(folder / "build.yml")
    probe, exported = folder / "probe", folder / "exported"
    yield "`in2 --help`", ["--help"], None
    yield "`in2 build`", ["build", build], folder / "data"
    yield "`in2 build`, complete already", ["build", build], None
    yield "`in2 preview`", ["preview", build], None
    yield "`in2 estimate`", ["estimate", str(folder / "endpoint.yml")], None
    yield "`in2 audit`", ["audit", data], None
    yield "`in2 status`", ["status", data], None
    yield "`in2 doctor`", ["doctor", data], None
    yield "`in2 export`", ["export", data, "--to", "tokenized", "-o", str(exported)], exported
    options = ["--tokenizer", str(folder / "tokenizer"), "--length", "4K", "--sets", "1", "-o", str(probe)]
    yield "`in2 val write`", ["val", "write", "--task", "document", *options], probe


def measure(command: list[str], cwd: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Run a command once; return its processor seconds and its peak memory in MiB, worker processes apart."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            output.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{output.read().decode()[-4_000:]}")
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1_024


def main(in2: str) -> None:
    """Print the table."""
    sys.path.insert(0, str(ROOT))
    from tests.support import vocabularies

    own = in2 == str(Path(sys.executable).parent / "in2")
    environment = {key: value for key, value in ENVIRONMENT.items() if own or key != "PYTHONPATH"}
    print(f"{heading()}\n\n| command | processor s | peak MiB |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        vocabularies.save(vocabularies.mistral(), folder / "tokenizer", TEMPLATE, **special)
        (folder / "build.yml").write_text(BUILD.format(folder=folder), encoding="utf-8")
        (folder / "endpoint.yml").write_text(BUILD.format(folder=folder) + ESTIMATED, encoding="utf-8")
        for label, arguments, output in commands(folder):
            found = []
            for _ in range(RUNS):
                if output:
                    shutil.rmtree(output, ignore_errors=True)
                found.append(measure([in2, *arguments], folder, environment))
            seconds, mebibytes = min(found)
            print(f"| {label} | {seconds:.2f} | {mebibytes:.0f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in2", default=str(Path(sys.executable).parent / "in2"), help="the program to measure")
    main(parser.parse_args().in2)
