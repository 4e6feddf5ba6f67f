"""Configs, models and dataset summaries for preflight tests, without Axolotl."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from in2_plugin.preflight.costs import GPUS, ModelShape, memory
from in2_plugin.preflight.dataset_summary import DatasetSummary
from in2_plugin.preflight.findings import Case
from in2_plugin.preflight.shape import Model
from in2_plugin.preflight.training_setup import setup_of

MISTRAL = ModelShape(32, 4_096, 32, 8, 128, 14_336, 32_000, 7_241_732_096, 7_241_732_096)
PLUGIN = "in2_plugin.axolotl.IN2Plugin"
ZERO_3 = {"zero_optimization": {"stage": 3}}


class Cfg(dict):
    """A stand-in for Axolotl's config: a missing key is None."""

    def __getattr__(self, name: str) -> Any:
        value = self.get(name)
        return Cfg(value) if type(value) is dict else value


def configuration(**changes: Any) -> Cfg:
    """Return a valid config for FILM-7B on eight GPUs, with changes."""
    valid = {
        "base_model": "mistral",
        "plugins": [PLUGIN],
        "datasets": [Cfg(path="in2", type="in2")],
        "sequence_len": 32_768,
        "micro_batch_size": 1,
        "gradient_accumulation_steps": 16,
        "num_epochs": 1,
        "learning_rate": 1e-6,
        "bf16": True,
        "gradient_checkpointing": True,
        "attn_implementation": "flash_attention_2",
        "deepspeed": ZERO_3,
        "seed": 42,
    }
    return Cfg({key: value for key, value in {**valid, **changes}.items() if value is not None})


def summary(**changes: Any) -> DatasetSummary:
    """Return the summary of a hundred examples of 4K to 32K tokens with answers of 10 to 208 tokens."""
    lengths, answers = np.linspace(4_096, 32_768, 100).astype(np.int64), np.arange(10, 210, 2)
    base = DatasetSummary("in2", "in2", 100, 100, "all", lengths, answers, 32_768)
    return replace(base, **changes)


def model(shape: ModelShape = MISTRAL, **config: Any) -> Model:
    """Return Mistral-7B-Instruct-v0.2, which has no sliding window, with changes of its config."""
    values = {"sliding_window": None, "max_position_embeddings": 32_768, "rope_parameters": {"rope_theta": 1e6}}
    return Model("mistral", SimpleNamespace(**{**values, **config}), shape, 0)


def case(
    *listed: DatasetSummary, gpus: int = 8, gpu: str = "A100-80G", of: Model | None = None, **changes: Any
) -> Case:
    """Return the input of the checks, with changes of the config."""
    cfg, of, listed = configuration(**changes), of or model(), listed or (summary(),)
    setup = setup_of(cfg, gpus)
    return Case(cfg, of, setup, GPUS[gpu], tuple(listed), memory(of.shape, setup, 32_768, 512))
