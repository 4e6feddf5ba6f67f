"""Find the checkpoint from which an interrupted training run resumes, and remove what a kill left unfinished.

Trainer writes `trainer_state.json` last, so a checkpoint without a readable one is not complete.
"""

import json
import shutil
from pathlib import Path

STATE = "trainer_state.json"


def newest_checkpoint(output_dir: Path) -> Path | None:
    """Return the newest complete checkpoint, after removing unfinished ones; None without any."""
    found = [path for path in output_dir.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
    complete = []
    for path in found:
        if _is_complete(path):
            complete.append(path)
        else:
            shutil.rmtree(path)
    return max(complete, key=_step, default=None)


def _is_complete(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
