"""What a run puts on disk, and what a machine's own memory holds of what is offloaded.

Pure. Invariant: an upper bound of what is there at one time; `save_total_limit` is heeded.
"""

from dataclasses import dataclass

from in2_plugin.preflight.costs import ModelShape, Setup
from in2_plugin.preflight.dataset_summary import DatasetSummary
from in2_plugin.recipe.training_file import TrainingFile

GPUS_A_MACHINE = 8
KEPT_SAVES = 500
"""Steps between two checkpoints where a file says nothing (transformers' default)."""
EXAMPLE_BYTES, SEGMENT_BYTES = 600, 8
"""An example in examples.parquet, questions.parquet and plans/, and each of its segments: measured on 360 examples of
4K to 32K tokens (1.4 KB each)."""
SEGMENT_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes on disks."""

    base_model: float
    """Weights in two bytes, as they are downloaded."""
    checkpoints: float
    """All that are kept at one time."""
    trained_model: float
    """What is saved at the end."""
    examples: float
    """The dataset without the segments of its corpus."""

    @property
    def total(self) -> float:
        """Without the corpus."""
        return self.base_model + self.checkpoints + self.trained_model + self.examples


def disk_of(file: TrainingFile, shape: ModelShape, setup: Setup, data: DatasetSummary, steps: int) -> Disk:
    """What one run needs. A checkpoint holds the trained weights with the states of their optimizer."""
    trained = shape.parameters if setup.trained is None else setup.trained
    segments = float(data.lengths.mean()) / SEGMENT_TOKENS
    return Disk(
        base_model=2.0 * shape.parameters,
        checkpoints=checkpoints_kept(file, steps) * trained * (setup.weight_bytes + setup.optimizer_bytes),
        trained_model=(2.0 if setup.trained is None else 4.0) * trained,
        examples=(data.examples or 0) * (EXAMPLE_BYTES + SEGMENT_BYTES * segments),
    )


def checkpoints_kept(file: TrainingFile, steps: int) -> int:
    """Checkpoints that exist at one time, the one that is being written included."""
    every = file.save_steps or KEPT_SAVES
    made = max(1, int(steps // every)) if every >= 1 else int(1 / every)
    return min(made, file.save_limit + 1) if file.save_limit else made


def host_bytes(shape: ModelShape, setup: Setup, longest: int) -> float:
    """Memory of one machine of up to eight GPUs that is taken up by what is offloaded, over all of them.

    An offloaded optimizer has its gradients there, too; offloaded activations are each GPU's inputs of all layers.
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
