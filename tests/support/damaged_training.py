"""Plugins that spoil training on purpose, to see that the stored losses notice.

`plugins: [tests.support.damaged_training.Mask]`
"""

from typing import Any

from axolotl.integrations.base import BasePlugin

from in2_plugin.training.dataset import LazyExamples


class Mask(BasePlugin):
    """The first token of every answer loses its label. Lasts for the rest of the process."""

    def register(self, cfg: Any) -> None:
        """Wrap the way in which an example is put together."""
        item = LazyExamples._item

        def damaged(self: LazyExamples, number: int) -> dict[str, Any]:
            found = item(self, number)
            labels = found["labels"].copy()
            starts = (labels[1:] != -100) & (labels[:-1] == -100)
            labels[1:][starts] = -100
            return {**found, "labels": labels}

        LazyExamples._item = damaged
