"""The report of a preflight for prompts and rewards, in the terms of `preflight.report`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from in2_plugin.preflight.findings import ConfigFinding


@dataclass(frozen=True, slots=True)
class PromptReport:
    """The result of a preflight for prompts and rewards."""

    file: str
    prompts: int
    left_out: str
    completion: int
    findings: Sequence[ConfigFinding]

    @property
    def errors(self) -> list[ConfigFinding]:
        """Return the findings that should stop the run."""
        return [finding for finding in self.findings if finding.level == "error"]

    def rows(self) -> list[tuple[str, str]]:
        """Return (name, figure) for every line of the table."""
        left_out = f"; left out: {self.left_out}" if self.left_out else ""
        return [
            ("prompts", f"{self.prompts:,}{left_out}"),
            ("completions", f"up to {self.completion:,} tokens; time and memory are not estimated for `rl: grpo`"),
        ]

    def lines(self) -> list[str]:
        """Return the figures as text for the training log, one per line, without findings."""
        return [f"{name}: {figure}" for name, figure in self.rows()]

    def as_json(self) -> dict[str, Any]:
        """Return one JSON object."""
        return {
            "file": self.file,
            "ok": not self.errors,
            "prompts": self.prompts,
            "left_out": self.left_out,
            "max_completion_length": self.completion,
            "findings": [finding.as_json() for finding in self.findings],
        }
