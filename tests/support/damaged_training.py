"""Plugins that damage training on purpose, to check that the stored losses detect it.

`plugins: [tests.support.damaged_training.Mask]`
"""

from typing import Any

from axolotl.integrations.base import BasePlugin

from in2_plugin.training.dataset import LazyExamples


class Mask(BasePlugin):
    """Removes the label of the first token of every answer, for the rest of the process."""

    def register(self, cfg: Any) -> None:
        """Patch the assembly of examples."""
        item = LazyExamples._item

        def damaged(self: LazyExamples, number: int) -> dict[str, Any]:
            found = item(self, number)
            labels = found["labels"].copy()
            starts = (labels[1:] != -100) & (labels[:-1] == -100)
            labels[1:][starts] = -100
            return {**found, "labels": labels}

        LazyExamples._item = damaged
