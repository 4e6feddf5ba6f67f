"""Print the loss by depth of a training run, first and last in its log: `python loss_by_depth.py OUTPUT_DIR`."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path

METRICS = {f"{start}-{start + 20}%": f"in2/loss_depth_{start:02d}_{start + 20}" for start in range(0, 100, 20)}
"""Depth of the gold segment -> metric of the log, in nats per answer token."""


def lines(output_dir: Path) -> list[str]:
    """Return a heading, then the first and the last logged step with losses by depth."""
    states = sorted(output_dir.glob("checkpoint-*/trainer_state.json"), key=lambda path: path.stat().st_mtime)
    if not states:
        sys.exit(f"{output_dir} has no checkpoint-*/trainer_state.json; run `axolotl train axolotl.yml` first")
    history = json.loads(states[-1].read_text(encoding="utf-8"))["log_history"]
    logged = [entry for entry in history if any(name in entry for name in METRICS.values())]
    if not logged:
        sys.exit(f"{states[-1]} has no in2/loss_depth_*; list in2_plugin.axolotl.IN2Plugin under `plugins`")
    return [
        "loss by depth of the answer" + "".join(f"{depth:>9}" for depth in METRICS),
        *map(_line, (logged[0], logged[-1])),
    ]


def _line(entry: dict[str, float]) -> str:
    losses = (f"{entry[name]:9.2f}" if name in entry else f"{'-':>9}" for name in METRICS.values())
    return f"{'step ' + str(entry['step']):27}" + "".join(losses)


if __name__ == "__main__":
    parser = ArgumentParser(description="Print the first and the last loss by depth of a training run.")
    parser.add_argument("output_dir", type=Path, help="`output_dir` of the training, with its checkpoints")
    print("\n".join(lines(parser.parse_args().output_dir)))
