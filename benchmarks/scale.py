"""Local processes against Ray on the same cores, by size of the corpus: speed, processor time, memory, disk.

    python benchmarks/scale.py TOKENIZER --mb 10 100 500            # the tables of docs/scale.md
    python benchmarks/scale.py TOKENIZER --mb 2000 --segments-only  # cutting and screening alone
    python benchmarks/scale.py TOKENIZER --mb 10 --json figures.json

Text is made up (scale_text.py), questions are written by the extractive writer, one for 20 documents, in contexts of
4K to 32K tokens. Every build is a process of its own, up to its audit; both engines have `--workers` workers, and must
come to the same bytes. Seconds are by the clock, so only ratios of one run mean anything; processor time is that of
the driver, of the workers, and of Ray's own processes. What the driver spends is what more nodes do not make less.
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
    """What one phase took."""

    seconds: float
    driver: float
    """Processor seconds, as those below."""
    workers: float
    others: float
    driver_mb: tuple[float, float]
    """(resident, own) at most, of the process; of workers the largest."""
    worker_mb: tuple[float, float]
    others_mb: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Build:
    """What one build took."""

    engine: str
    mb: float
    phases: dict[str, Phase]
    parts_mb: dict[str, float]
    """What the shards of each stage came to, all of which goes through the driver with Ray."""
    disk_mb: float
    """The dataset folder, at most."""
    facts: dict[str, int]
    digest: str

    def stage(self, name: str) -> list[Phase]:
        """The phases of a stage."""
        return [self.phases[phase] for phase in STAGES[name]]

    def seconds(self, stage: str) -> float:
        return sum(phase.seconds for phase in self.stage(stage))

    def spent(self, stage: str) -> float:
        """Processor seconds of all processes."""
        return sum(phase.driver + phase.workers + phase.others for phase in self.stage(stage))

    def peak(self, kind: str) -> tuple[float, float]:
        """(resident, own) MB at most."""
        held = [getattr(phase, f"{kind}_mb") for phase in self.phases.values()]
        return max(one for one, _ in held), max(one for _, one in held)


def build(engine: str, text: Path, documents: int, options: argparse.Namespace) -> Build:
    """Build in a process of its own, and watch it."""
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
    """What passed between each event and the next."""
    phases = {}
    for event, following in pairwise(events):
        between = event["at"], following["at"]
        # the kernel knows exactly what local workers spent, when they have ended; Ray's are no children of the driver
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
    """All tables."""
    row = tabulate(
        "MB | documents | stage | local, s | Ray, s | Ray / local | processor time, Ray / local | documents/s, local | "
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
        "parts of cutting, MB | of screening | of questions, examples, plans | folder at most, MB"
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
    """All builds, one after the other."""
    return [one for pair in pairs for one in pair.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", help="folder or name of a tokenizer with a chat template")
    parser.add_argument("--mb", type=float, nargs="+", default=[10, 100, 500])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--longest", type=int, default=32_768, help="tokens of the longest context")
    parser.add_argument("--segments-only", action="store_true", help="stop before the questions")
    parser.add_argument("--engines", choices=ENGINES, nargs="+", default=ENGINES)
    parser.add_argument("--json", type=Path, help="write all figures there, too")
    parser.add_argument("--folder", type=Path, help="work there instead of a temporary folder")
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
