"""Follow the log of a running command: its progress bar, and the loss of each logged step.

Reads what Trainer, lm_eval and our own programs print with tqdm. Invariant: text of an unknown form is ignored. Cost:
only what was appended since the last call is read.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

BAR = re.compile(r"(\d+)/(\d+) \[(?:\d+:)*\d+<((?:\d+:)*\d+)")
"""`120/659 [02:01<09:05, ...`: done, total, time left."""
LOSS = re.compile(r"'loss': '?([0-9.]+(?:e[+-]?\d+)?)'?[,}]")
"""An entry of Trainer's log; newer versions of transformers write numbers as text."""
BLOCKS = "▁▂▃▄▅▆▇█"
POINTS = 20
"""Characters of a curve."""


@dataclass(slots=True)
class LogFollower:
    """What a growing log has shown so far."""

    path: Path
    start: int = 0
    """Byte to begin at: a log is appended to when a command runs again."""
    done: int = 0
    total: int = 0
    left: str = ""
    """Time left as the progress bar prints it, for example `09:05`."""
    losses: list[float] = field(default_factory=list)

    def read(self) -> None:
        """Read what was appended since the last call."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            text = file.read()
        end = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1  # an unfinished line is read again next time
        self.start += end
        shown = text[:end].decode("utf-8", "replace")
        self.losses += [float(value) for value in LOSS.findall(shown)]
        if bars := BAR.findall(shown):
            done, total, self.left = bars[-1]
            self.done, self.total = int(done), int(total)

    @property
    def share(self) -> float:
        """Return the finished share of the steps, 0 without a progress bar."""
        return self.done / self.total if self.total else 0.0


def curve(values: list[float], points: int = POINTS) -> str:
    """Draw numbers as a line of blocks, the largest of them as a full block; many numbers are averaged in groups."""
    if not values:
        return ""
    size = max(1, -(-len(values) // points))
    means = [sum(group) / len(group) for group in (values[at : at + size] for at in range(0, len(values), size))]
    most = max(means) or 1.0
    return "".join(BLOCKS[min(len(BLOCKS) - 1, int(len(BLOCKS) * mean / most))] for mean in means)
