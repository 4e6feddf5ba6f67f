"""Make docs/images/report-example.png: `python scripts/make_report_picture.py [PICTURE]`.

Runs `in2 report` on invented results to show what a report looks like. Invariant: the labels in the picture contain
"invented", so that nobody mistakes it for a measurement. Cost: 5 s.
"""

import json
import math
import subprocess
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from in2_plugin.probing.probes.options import ProbeOptions
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.scoring.scores import SetScores, as_text

PICTURE = Path(__file__).parents[1] / "docs/images/report-example.png"
ITEMS = 400
"""Items per invented context: 100 questions per span over all sets."""
SETS = 4
BASELINES = {"document": (0.37, 0.11), "code": (0.0, 0.006), "database": (0.0, 0.006)}
"""(echo, other) per probe, about as measured on our items."""
MODELS = {"before (invented)": (0.80, 0.45), "after (invented)": (0.86, 0.06)}
"""(Probability of a correct answer at the ends, its drop in the middle) per label."""


def invented(seed: int, ends: float, dip: float) -> dict[str, Any]:
    """Return a results file as lm_eval writes it."""
    rng = np.random.default_rng(seed)
    metadata = {"version": 1.1, **ProbeOptions().model_dump(exclude_none=True)}
    results = {f"val_probe_{name}": _task(name, rng, ends, dip) for name in BASELINES}
    return {
        "results": results,
        "configs": {name: {"task": name, "metadata": metadata} for name in results},
        "versions": dict.fromkeys(results, 1.1),
        "n-samples": {name: {"original": SETS * ITEMS, "effective": SETS * ITEMS} for name in results},
        "model_name": "invented",
        "date": 0.0,
    }


def _task(name: str, rng: np.random.Generator, ends: float, dip: float) -> dict[str, Any]:
    echo, other = BASELINES[name]
    depths = (np.arange(ITEMS) + 0.5) / ITEMS
    chance = ends - dip * np.sin(math.pi * depths)
    right = rng.random((SETS, ITEMS)) < chance
    scores = np.where(right, 1.0, echo or 0.0)
    spans = [float(part.mean()) for part in np.array_split(scores.mean(0), PROBES[name].spans)]
    sets = [SetScores(i, ITEMS, tuple(range(ITEMS)), tuple(map(float, row))) for i, row in enumerate(scores)]
    numbers = {"acc": float(scores.mean()), "avg": float(np.mean(spans)), "gap": max(spans) - min(spans),
               "echo": echo, "other": other, "scores_stderr": as_text(sets)}  # fmt: skip
    numbers |= {f"span_{i:02d}": value for i, value in enumerate(spans)}
    return {"alias": name} | {f"{metric},none": value for metric, value in numbers.items()}


def make(picture: Path, folder: Path) -> str:
    """Write the results into `folder`, run the command there, save its picture, and return its output."""
    command = [Path(sys.executable).parent / "in2", "report", *map(str, range(len(MODELS)))]
    for number, (label, shape) in enumerate(MODELS.items()):
        path = folder / str(number) / "invented/results_2026-01-01T00-00-00.000000.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(invented(number, *shape)), encoding="utf-8")
        command += ["--label", label]
    done = subprocess.run(command, cwd=folder, check=True, text=True, capture_output=True)
    carried = PngInfo()
    carried.add_text("Description", json.dumps(done.stdout))  # so that a test can detect an outdated picture
    # a palette reduces the size to a quarter
    small = Image.open(folder / "report.png").convert("RGB").quantize(128)
    small.save(picture, optimize=True, pnginfo=carried)
    return done.stdout


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE)
    picture = parser.parse_args().picture
    with TemporaryDirectory() as scratch:
        print(make(picture, Path(scratch)))
