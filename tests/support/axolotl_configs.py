"""Write Axolotl configs and load them with Axolotl's own `load_cfg`, in this process."""

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

PLUGIN = "in2_plugin.axolotl.IN2Plugin"


class ConfigLoader:
    """Loads a valid config with changes, for a copy of a dataset that tests may damage."""

    def __init__(self, folder: Path, built: Path, model: Path) -> None:
        self.dataset = shutil.copytree(built, folder / "in2")
        self.model = shutil.copytree(model, folder / "model")
        self._path = folder / "config.yml"
        self._values = {
            "base_model": str(self.model),
            "plugins": [PLUGIN],
            "datasets": [{"path": str(self.dataset), "type": "in2"}],
            "sequence_len": 2_048,
            "micro_batch_size": 1,
            "num_epochs": 1,
            "learning_rate": 0.001,
            "output_dir": str(folder / "out"),
            "bf16": False,
            "fp16": False,
            "seed": 1,
        }
        self.set_model_config('{"model_type": "mistral", "vocab_size": 32000}')

    def set_model_config(self, text: str) -> None:
        """Overwrite config.json of the model."""
        (self.model / "config.json").write_text(text)

    def __call__(self, **changes: Any) -> Any:
        """Return the validated config."""
        from axolotl.cli.config import load_cfg
        from axolotl.integrations.base import PluginManager

        PluginManager.get_instance().plugins.clear()
        self._path.write_text(yaml.safe_dump({**self._values, **changes}))
        return load_cfg(str(self._path))
