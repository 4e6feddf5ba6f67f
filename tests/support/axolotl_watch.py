"""The Axolotl plugin of `example_watch`, in a module of its own so that TRL's tests run without Axolotl."""

from typing import Any

from axolotl.integrations.base import BasePlugin
from transformers import TrainerCallback

from tests.support.example_watch import Watch, watch


class WatchPlugin(BasePlugin):
    """`plugins: [tests.support.axolotl_watch.WatchPlugin, in2_plugin.axolotl.IN2Plugin]`."""

    def register(self, cfg: Any) -> None:
        """Start recording in the first hook of a process."""
        watch()

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[TrainerCallback]:
        """Return the callback that writes the record."""
        return [Watch()]
