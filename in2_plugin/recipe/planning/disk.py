"""Estimate the disk space of a run, and the host memory that offloading takes.

Pure. Each figure is an upper bound of what exists at one time, with `save_total_limit` respected.
"""

from dataclasses import dataclass

from in2_plugin.preflight.costs import ModelShape, Setup
from in2_plugin.preflight.dataset_summary import DatasetSummary
from in2_plugin.recipe.training_file import TrainingFile

GPUS_A_MACHINE = 8
KEPT_SAVES = 500
"""Default steps between two checkpoints (transformers)."""
EXAMPLE_BYTES, SEGMENT_BYTES = 600, 8
"""Bytes of an example in examples.parquet, questions.parquet and plans/, and of each of its segments; measured on 360
examples of 4K to 32K tokens (1.4 KB each)."""
SEGMENT_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes on disk."""

    base_model: float
    """Weights at two bytes each, as downloaded."""
    checkpoints: float
    """All checkpoints that exist at one time."""
    trained_model: float
    """The final model."""
    examples: float
    """The dataset without the segments of its corpus."""

    @property
    def total(self) -> float:
        """Everything except the corpus."""
        return self.base_model + self.checkpoints + self.trained_model + self.examples


def disk_of(file: TrainingFile, shape: ModelShape, setup: Setup, data: DatasetSummary, steps: int) -> Disk:
    """Return the disk space of one run. A checkpoint holds the trained weights and their optimizer states."""
    trained = shape.parameters if setup.trained is None else setup.trained
    segments = float(data.lengths.mean()) / SEGMENT_TOKENS
    return Disk(
        base_model=2.0 * shape.parameters,
        checkpoints=checkpoints_kept(file, steps) * trained * (setup.weight_bytes + setup.optimizer_bytes),
        trained_model=(2.0 if setup.trained is None else 4.0) * trained,
        examples=(data.examples or 0) * (EXAMPLE_BYTES + SEGMENT_BYTES * segments),
    )


def checkpoints_kept(file: TrainingFile, steps: int) -> int:
    """Return the number of checkpoints that exist at one time, including the one being written."""
    every = file.save_steps or KEPT_SAVES
    made = max(1, int(steps // every)) if every >= 1 else int(1 / every)
    return min(made, file.save_limit + 1) if file.save_limit else made


def host_bytes(shape: ModelShape, setup: Setup, longest: int) -> float:
    """Return the host memory that offloading takes on one machine of up to eight GPUs.

    An offloaded optimizer keeps its gradients there, too; offloaded activations are each GPU's inputs of all layers.
    """
    here = min(setup.gpus, GPUS_A_MACHINE)
    trained = shape.parameters if setup.trained is None else setup.trained
    states = 0.0
    if setup.offload_optimizer:
        states += trained * (setup.optimizer_bytes + setup.gradient_bytes)
    if setup.offload_weights:
        states += trained * setup.weight_bytes + (0 if setup.trained is None else shape.parameters * setup.frozen_bytes)
    share = here / setup.gpus if setup.shard_weights else 1
    if not setup.offload_activations:
        return states * share
    tokens = -(-longest // setup.context_parallel) * setup.micro_batch
    return states * share + here * shape.layers * tokens * shape.hidden * setup.compute_bytes
