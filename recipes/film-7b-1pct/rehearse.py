"""Write this recipe at laptop size: `python rehearse.py [FOLDER]`, then continue in the folder `rehearsal`.

Uses a tiny random Mistral, the extractive writer instead of an endpoint, the bundled corpus, examples of a few hundred
tokens, and no GPU. All else comes from the recipe's files, so that a mistake in them shows before it costs money.
The model learns nothing. Cost: half a minute here, about five minutes for the steps of README.md after it.
"""

import json
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml

from in2_plugin.io.resources import packaged_folder

HERE = Path(__file__).parent
MAKE_MODEL = packaged_folder("recipes") / "smoke" / "make_model.py"
EXAMPLES = 256
"""Two steps of 128."""
BUILD: dict[str, Any] = {
    "tokenizer": "model",
    "corpus": {"segment_tokens": 32},
    "questions": {"writer": "extractive"},
    "instructions": {"sources": ["conversations.jsonl"]},
    "lengths": {"min": 192, "max": 448},
}
TRAINING: dict[str, Any] = {
    "base_model": "model",
    "sequence_len": 448,
    "deepspeed": None,
    "bf16": False,
    "fp16": False,
    "attn_implementation": "sdpa",
    "activation_offloading": False,
    "save_steps": 1,
}
ENVIRONMENT = """\
# source environment.sh: settings of train.sh and eval.sh for a machine without a GPU
export AXOLOTL_DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
export MODEL=model NPROC=1 BACKEND=in2-hf TASKS=val_probe MODEL_ARGS=dtype=float32,max_length=1024
export METADATA='{"probe_template": "film", "probe_length": 576, "probe_sets": 2, "probe_spans": 4}'
"""


def changed(file: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the file's keys with changes; None removes a key."""
    values = {**yaml.safe_load((HERE / file).read_text(encoding="utf-8")), **changes}
    return {key: value for key, value in values.items() if value is not None}


def conversations(number: int) -> str:
    """Return rows with OpenOrca's columns, as JSON lines."""
    rows = (
        {
            "system_prompt": "",
            "question": f"What is {i} plus {i + 1}?",
            "response": f"{i} and {i + 1} make {2 * i + 1}.",
        }
        for i in range(number)
    )
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def main(folder: Path) -> None:
    """Write the changed files of the recipe, the conversations and the tiny model."""
    folder.mkdir(parents=True)
    build = changed("build.yml", BUILD)
    build["mixture"]["total"] = EXAMPLES
    for name, text in {
        "build.yml": yaml.safe_dump(build, sort_keys=False),
        "axolotl.yml": yaml.safe_dump(changed("axolotl.yml", TRAINING), sort_keys=False),
        "conversations.jsonl": conversations(EXAMPLES),
        "environment.sh": ENVIRONMENT,
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    for script in ("train.sh", "eval.sh"):
        shutil.copy(HERE / script, folder)
    subprocess.run([sys.executable, MAKE_MODEL, "model", "--no-warm-up"], cwd=folder, check=True)


if __name__ == "__main__":
    parser = ArgumentParser(description="Write this recipe at laptop size.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("rehearsal"), help="a new folder")
    main(parser.parse_args().folder)
