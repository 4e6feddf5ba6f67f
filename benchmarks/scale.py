"""Compare local processes with Ray on the same cores, by corpus size: speed, CPU time, memory, disk.

    python benchmarks/scale.py TOKENIZER --mb 10 100 500            # the tables of docs/scale.md
    python benchmarks/scale.py TOKENIZER --mb 2000 --segments-only  # only segmentation and screening
    python benchmarks/scale.py TOKENIZER --mb 10 --json figures.json

The text is synthetic (scale_text.py); the extractive writer writes one question per 20 documents, in contexts of 4K to
32K tokens. Each build runs in its own process, up to its audit; both engines have `--workers` workers, and must give
the same bytes. Seconds are wall-clock time, so only ratios within one run are meaningful; CPU time is that of the
driver, of the workers, and of Ray's own processes. More nodes do not reduce the time of the driver.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from measured import ENVIRONMENT, heading, tabulate
from scale_text import make_text
from scale_watch import DRIVER, OTHER, WORKER, Watched, watched

ENGINES = ("local", "ray")
PARTS = (("fine_grained", 110), ("integration", 30), ("short_context", 15))
"""The paper's proportions of questions."""
STAGES = {
    "cut": ("cut", "merge"),
    "screen": ("screen", "bands"),
    "questions": ("questions",),
    "examples": ("draw", "place", "write"),
    "plans": ("plans", "lay"),
}
"""Phases of each stage."""
SEGMENT_STAGES = ("cut", "screen")


@dataclass(frozen=True, slots=True)
class Phase:
    """The cost of one phase."""

    seconds: float
    driver: float
    """CPU seconds, like those below."""
    workers: float
    others: float
    driver_mb: tuple[float, float]
    """Peak (resident, own) of the process, or of the largest worker."""
    worker_mb: tuple[float, float]
    others_mb: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Build:
    """The cost of one build."""

    engine: str
    mb: float
    phases: dict[str, Phase]
    parts_mb: dict[str, float]
    """Size of the shards per stage; with Ray, all of it passes through the driver."""
    disk_mb: float
    """Peak size of the dataset folder."""
    facts: dict[str, int]
    digest: str

    def stage(self, name: str) -> list[Phase]:
        """Return the phases of a stage."""
        return [self.phases[phase] for phase in STAGES[name]]

    def seconds(self, stage: str) -> float:
        return sum(phase.seconds for phase in self.stage(stage))

    def spent(self, stage: str) -> float:
        """Return the CPU seconds of all processes."""
        return sum(phase.driver + phase.workers + phase.others for phase in self.stage(stage))

    def peak(self, kind: str) -> tuple[float, float]:
        """Return the peak (resident, own) MB."""
        held = [getattr(phase, f"{kind}_mb") for phase in self.phases.values()]
        return max(one for one, _ in held), max(one for _, one in held)


def build(engine: str, text: Path, documents: int, options: argparse.Namespace) -> Build:
    """Build in a separate process, and sample it."""
    output = options.folder / "in2"
    shutil.rmtree(output, ignore_errors=True)
    questions = max(16, documents // 20)
    config = {
        "output": str(output), "tokenizer": options.tokenizer, "workers": options.workers,
        "corpus": {"sources": [str(text)]},
        "mixture": {**dict(PARTS), "total": questions, "shortfall": "rescale"},
        "lengths": {"min": 4_096, "max": options.longest},
    }  # fmt: skip
    job = {"engine": engine, "build": config, "last": "questions" if options.segments_only else "done"}
    command = [sys.executable, str(Path(__file__).with_name("scale_job.py")), json.dumps(job)]
    said, log = options.folder / "said.jsonl", options.folder / "log.txt"
    environment = {**ENVIRONMENT, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    with said.open("w") as out, log.open("w") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=environment)
        with watched(process.pid, output) as seen:
            process.wait()
    if process.returncode:
        sys.exit(f"the build with {engine} failed\n{log.read_text()[-4_000:]}")
    *events, result = map(json.loads, said.read_text().splitlines())
    parts: dict[str, float] = {}
    for event in events:
        parts |= {name: max(size, parts.get(name, 0.0)) for name, size in event["parts"].items()}
    disk = max([seen.disk, *(event["disk"] for event in events)])
    phases = phases_of(events, seen, engine)
    return Build(engine, text.stat().st_size / 1e6, phases, parts, disk, result["facts"], result["digest"])


def phases_of(events: list[dict[str, Any]], seen: Watched, engine: str) -> dict[str, Phase]:
    """Return the cost between each event and the next."""
    phases = {}
    for event, following in pairwise(events):
        between = event["at"], following["at"]
        # for local workers the kernel has the exact time once they have ended; Ray's are not children of the driver
        ended = following["ended"] - event["ended"]
        phases[event["phase"]] = Phase(
            seconds=between[1] - between[0],
            driver=following["driver"] - event["driver"],
            workers=ended if engine == "local" else seen.spent(WORKER, *between),
            others=0.0 if engine == "local" else seen.spent(OTHER, *between),
            driver_mb=seen.peak(DRIVER, *between),
            worker_mb=seen.peak(WORKER, *between),
            others_mb=seen.peak(OTHER, *between),
        )
    return phases


def show(pairs: list[dict[str, Build]], stages: tuple[str, ...]) -> None:
    """Print all tables."""
    row = tabulate(
        "MB | documents | stage | local, s | Ray, s | Ray / local | CPU time, Ray / local | documents/s, local | "
        "Ray | same bytes"
    )
    for pair in pairs:
        if len(pair) < len(ENGINES):
            continue
        local, ray = pair["local"], pair["ray"]
        documents = local.facts["documents"]
        same = "yes" if local.digest == ray.digest else "NO"
        for stage in stages:
            seconds = local.seconds(stage), ray.seconds(stage)
            rates = (f"{documents / one:,.0f}" for one in seconds)
            ratios = f"{seconds[1] / seconds[0]:.2f}", f"{ray.spent(stage) / max(local.spent(stage), 0.01):.2f}"
            row(f"{local.mb:,.0f}", f"{documents:,}", stage, *(f"{one:.1f}" for one in seconds), *ratios, *rates, same)
    row = tabulate("MB | engine | phase | s | driver, CPU s | workers, CPU s | Ray's own, CPU s")
    for one in builds(pairs):
        for name, phase in one.phases.items():
            spent = (f"{value:.1f}" for value in (phase.seconds, phase.driver, phase.workers, phase.others))
            row(f"{one.mb:,.0f}", one.engine, name, *spent)
    row = tabulate(
        "MB | segments | engine | driver, MB (own) | largest worker, MB (own) | Ray's own, MB (own) | "
        "segment shards, MB | screening shards, MB | question, example and plan shards, MB | peak folder, MB"
    )
    for one in builds(pairs):
        kinds = [one.peak(kind) for kind in ("driver", "worker", "others")]
        held = [f"{whole:,.0f} ({own:,.0f})" for whole, own in kinds]
        cut = sum(size for name, size in one.parts_mb.items() if name.startswith("segments-"))
        screened = one.parts_mb.get("screening", 0.0)
        others = sum(one.parts_mb.values()) - cut - screened
        sizes = (f"{size:,.1f}" for size in (cut, screened, others, one.disk_mb))
        row(f"{one.mb:,.0f}", f"{one.facts['segments']:,}", one.engine, *held, *sizes)


def builds(pairs: list[dict[str, Build]]) -> list[Build]:
    """Return all builds in order."""
    return [one for pair in pairs for one in pair.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", help="folder or name of a tokenizer with a chat template")
    parser.add_argument("--mb", type=float, nargs="+", default=[10, 100, 500])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--longest", type=int, default=32_768, help="tokens of the longest context")
    parser.add_argument("--segments-only", action="store_true", help="stop before the questions")
    parser.add_argument("--engines", choices=ENGINES, nargs="+", default=ENGINES)
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    parser.add_argument("--folder", type=Path, help="work in this folder instead of a temporary one")
    options = parser.parse_args()
    print(heading(), flush=True)
    pairs: list[dict[str, Build]] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        options.folder = Path(folder)
        for megabytes in options.mb:
            text = options.folder / "text.jsonl"
            documents = make_text(text, megabytes)
            pairs.append({})
            for engine in options.engines:
                pairs[-1][engine] = build(engine, text, documents, options)
                if options.json:  # after each build: the large ones take long
                    found = {"heading": heading(), "builds": [asdict(one) for one in builds(pairs)]}
                    options.json.write_text(json.dumps(found, indent=1))
    show(pairs, SEGMENT_STAGES if options.segments_only else tuple(STAGES))


if __name__ == "__main__":
    main()
