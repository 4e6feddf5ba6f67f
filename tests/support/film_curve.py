"""Train film-7b at reduced size for its loss curve: ZeRO-3 with offload on two ranks.

    python -m tests.support.film_curve      # stores the curve in tests/recipes/film_7b_losses.json

Store it again only when a change of the build, the tokens or the recipe is intended to change the training data, and
say so in the commit. No other change may alter the curve.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from in2_plugin.recipe.folder import find_recipe
from tests.support import SUPPORT, TESTS
from tests.support.axolotl_runs import TORCHRUN, witness
from tests.support.e2e_run import run
from tests.support.reduced_recipes import reduced_axolotl, workshop

FILM = find_recipe("film-7b").path
STORED = TESTS / "recipes/film_7b_losses.json"
STEPS = 4
DAMAGES = {
    "as-it-is": {},
    "other-order": {"in2": {"length_balanced": False}},
    "other-mask": {
        "plugins": [
            "tests.support.cpu_shim.CPUShimPlugin",
            "tests.support.damaged_training.Mask",
            "in2_plugin.axolotl.IN2Plugin",
        ]
    },
}
"""Changes to the training file; the first is the recipe itself, the last one affects the rest of its process."""


def train(folder: Path, names: list[str]) -> dict[str, list[dict[str, float | None]]]:
    """Return losses, gradient norms and answer tokens per step, by name of the damage.

    Answer tokens are None if the trainer's statistics do not find the labels that the dataset promises.
    """
    model, data = workshop(folder, [FILM])[FILM.name]
    for name in names:
        changes = {"output_dir": f"out/{name}", "max_steps": STEPS, **DAMAGES[name]}
        values = reduced_axolotl(FILM / "axolotl.yml", model, data, **changes)
        (folder / f"{name}.yml").write_text(yaml.safe_dump(values), encoding="utf-8")
    files = (f"{name}.yml" for name in names)
    run("torchrun", *TORCHRUN, 2, SUPPORT / "reduced_runs.py", *files, cwd=folder)
    return {name: _curve(witness(folder, name)) for name in names}


def _curve(seen: dict[str, Any]) -> list[dict[str, float | None]]:
    assert (seen["ranks"], seen["zero"], seen["steps"]) == (2, True, STEPS)
    keys = {"loss": "loss", "grad_norm": "grad_norm", "answer_tokens": "in2/answer_tokens_per_step"}
    return [{name: entry.get(key) for name, key in keys.items()} for entry in seen["logs"] if "loss" in entry]


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        (curve,) = train(Path(folder), ["as-it-is"]).values()
    STORED.write_text(json.dumps(curve, indent=1) + "\n", encoding="utf-8")
