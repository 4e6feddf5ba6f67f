"""Estimate the memory per GPU and the time of a run from the shape of a model and its training setup.

Pure arithmetic. Invariant: every memory term is an estimate of its peak in bytes per GPU, and every time term counts
the operations of a transformer. docs/preflight.md derives each term and names its source.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Logits = Literal["all", "answers", "fused"]
"""Rows of logits in memory at a time: all positions, supervised positions, or a chunk inside a fused kernel."""

GIB = 2**30
LIVE_LAYERS = 3
"""Layers whose weights are gathered at a time under ZeRO-3: the current layer and the prefetched ones."""
BACKWARD = 1.5
"""Memory of one layer's backward pass, relative to the activations that its forward pass saved."""
LOGIT_BYTES = 12
"""Bytes per logit: in bf16 and in float32, and the gradient of each (2 + 4 + 4 + 2)."""
FUSED_ROWS = 4_096
"""Rows of logits that a fused or chunked loss holds at a time."""
CONTEXT = 4 * 10**9
"""CUDA context, communication buffers, workspaces and allocator fragmentation."""
PROCESS = 1.5 * 10**9
"""A process on a CPU: Python, torch, the trainer's packages, and the allocator."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU model, with the figures of the vendor's data sheet, or the CPU of this machine."""

    name: str
    memory: int
    """Bytes."""
    tflops: float
    """Dense bf16 tensor operations, 10^12 per second."""
    capability: str
    """Compute capability, e.g. `sm_80`."""
    is_cpu: bool = False
    """True for a CPU; `tflops` is then measured, in the dtype of the run."""


_SHEETS = {
    "A100-40G": (40, 312, "sm_80"),
    "A100-80G": (80, 312, "sm_80"),
    "H100-80G": (80, 989, "sm_90"),
    "H100-PCIe": (80, 756, "sm_90"),
    "H200": (141, 989, "sm_90"),
    "B200": (180, 2_250, "sm_100"),
    "L40S": (48, 362, "sm_89"),
    "A40": (48, 149.7, "sm_86"),
    "RTX-4090": (24, 165.2, "sm_89"),
    "RTX-3090": (24, 71, "sm_86"),
}
GPUS = {name: Gpu(name, size * GIB, tflops, capability) for name, (size, tflops, capability) in _SHEETS.items()}


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The dimensions that determine the cost of a decoder-only transformer."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    """Width of the MLP; in a mixture of experts, the sum over the active experts of a token."""
    vocabulary: int
    parameters: int
    """All weights, embeddings included."""
    active: int
    """Weights that process one token; equal to `parameters` except in a mixture of experts."""
    tied: bool = False
    """True if the output embedding is the input embedding."""
    qk_norm: bool = False
    """True if queries and keys are normalized."""

    @property
    def embeddings(self) -> int:
        """Return the weights of the input and output embeddings."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def attention_width(self) -> int:
        """Return the width of the queries of a layer."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Return the width of the keys of a layer."""
        return self.kv_heads * self.head_dim


@dataclass(frozen=True, slots=True)
class Setup:
    """The settings of a training run that determine its cost."""

    gpus: int = 1
    micro_batch: int = 1
    accumulation: int = 1
    shard_weights: bool = False
    """ZeRO-3 and FSDP."""
    shard_gradients: bool = False
    """ZeRO-2 and above."""
    shard_optimizer: bool = False
    """ZeRO-1 and above."""
    offload_optimizer: bool = False
    offload_weights: bool = False
    checkpointing: bool = True
    offload_activations: bool = False
    context_parallel: int = 1
    tensor_parallel: int = 1
    weight_bytes: float = 2
    """Bytes per trained weight, as stored."""
    gradient_bytes: float = 2
    optimizer_bytes: float = 12
    """Bytes per trained weight for the optimizer states and the float32 master copy."""
    frozen_bytes: float = 2
    """Bytes per frozen weight."""
    compute_bytes: int = 2
    """Bytes per number in the forward pass: 2 for bf16, 4 for float32."""
    trained: int | None = None
    """Number of adapter weights; None if all weights of the model are trained."""
    logits: Logits = "all"
    flash: bool = True
    """True if attention does not store a score for each pair of tokens."""

    @property
    def replicas(self) -> int:
        """Return the number of groups of GPUs that get different examples."""
        return max(1, self.gpus // (self.context_parallel * self.tensor_parallel))

    @property
    def batch(self) -> int:
        """Return the rows per optimizer step."""
        return self.replicas * self.micro_batch * self.accumulation


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak bytes of one GPU during a step."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    other: float = CONTEXT
    teacher: float = 0
    """What a distillation adds."""

    @property
    def total(self) -> float:
        """Return the sum of all parts in bytes."""
        return float(sum(getattr(self, part.name) for part in fields(self)))


def memory(shape: ModelShape, setup: Setup, longest: int, most_answer_tokens: int) -> Memory:
    """Estimate the memory per GPU for the largest micro-batch.

    Args:
        longest: tokens of the longest row of the trainer; the rows of a micro-batch are padded to it.
        most_answer_tokens: largest number of supervised tokens in a row.
    """
    trained = shape.parameters if setup.trained is None else setup.trained
    frozen = 0 if setup.trained is None else shape.parameters
    optimizer = trained * setup.optimizer_bytes / _share(setup, setup.shard_optimizer)
    return Memory(
        weights=_weights(shape, setup, trained, frozen),
        gradients=trained * setup.gradient_bytes / _share(setup, setup.shard_gradients),
        optimizer=0 if setup.offload_optimizer else optimizer,
        activations=_activations(shape, setup, longest),
        logits=_logits(shape, setup, longest, most_answer_tokens),
    )


def _share(setup: Setup, sharded: bool) -> int:
    """Return the number of GPUs that share one copy of a tensor."""
    return setup.gpus if sharded else setup.tensor_parallel


def _weights(shape: ModelShape, setup: Setup, trained: int, frozen: int) -> float:
    kept = (trained * setup.weight_bytes + frozen * setup.frozen_bytes) / _share(setup, setup.shard_weights)
    if not setup.shard_weights:
        return kept
    layer = (shape.parameters - shape.embeddings) / shape.layers
    gathered = min(LIVE_LAYERS, shape.layers) * layer + shape.embeddings
    return (0 if setup.offload_weights else kept) + gathered * setup.compute_bytes


def layer_bytes(shape: ModelShape, setup: Setup, tokens: int) -> float:
    """Return the bytes that one layer's forward pass saves for its backward pass, for a row of `tokens`.

    Two norms save their input in float32, the normalized input and their output; attention saves its queries, keys,
    values and output; the MLP saves four tensors of its own width.
    """
    width, keys, size = shape.attention_width, shape.key_width, setup.compute_bytes
    each = 2 * (4 + 2 * size) * shape.hidden + size * (2 * width + 2 * keys) + 4 * size * shape.intermediate
    if shape.qk_norm:
        each += (4 + size) * (width + keys)
    pairs = 0 if setup.flash else (size + 4) * shape.heads * tokens
    return tokens * (each + pairs)


def _activations(shape: ModelShape, setup: Setup, longest: int) -> float:
    tokens = -(-longest // setup.context_parallel)
    rows = setup.micro_batch / setup.tensor_parallel
    layer = layer_bytes(shape, setup, tokens) * rows
    if not setup.checkpointing:
        return (shape.layers - 1 + BACKWARD) * layer
    boundary = 0 if setup.offload_activations else shape.layers * tokens * shape.hidden * setup.compute_bytes
    return boundary * setup.micro_batch + BACKWARD * layer


def _logits(shape: ModelShape, setup: Setup, longest: int, most_answer_tokens: int) -> float:
    rows = {"all": longest, "answers": min(longest, most_answer_tokens), "fused": min(longest, FUSED_ROWS)}
    # the answers of a row may all be on one rank
    per_rank = rows["answers"] if setup.logits == "answers" else -(-rows[setup.logits] // setup.context_parallel)
    return per_rank * setup.micro_batch * shape.vocabulary * LOGIT_BYTES


def operations(shape: ModelShape, setup: Setup, tokens: float, pairs: float) -> float:
    """Return the floating-point operations of a forward and a backward pass.

    Each token takes 2 operations per active weight forward and 4 backward (2 if the weight is frozen). Each pair of
    tokens takes 4 operations per unit of width forward and 10 backward in FlashAttention, and half of that with a
    causal mask. Checkpointing repeats the forward pass.

    Args:
        tokens: sum of the lengths.
        pairs: sum of the squared lengths.
    """
    again = 1 if setup.checkpointing else 0
    through_weights = 2 * (1 + again) + (4 if setup.trained is None else 2)
    through_attention = 2 * (1 + again) + 5
    return tokens * shape.active * through_weights + pairs * shape.layers * shape.attention_width * through_attention


def seconds(
    shape: ModelShape, lengths: npt.NDArray[Any], setup: Setup, gpu: Gpu, mfu: float, efficiency: float
) -> float:
    """Return the seconds for one pass over rows of these lengths, without loading, saving and evaluation.

    Args:
        lengths: (n,) tokens of each example; attention stays within an example, packed or not.
        mfu: share of the GPU's dense peak that a step reaches, between 0 and 1.
        efficiency: share of the time that ranks compute instead of waiting for each other.
    """
    each = np.asarray(lengths, np.float64)
    n_operations = operations(shape, setup, float(each.sum()), float((each**2).sum()))
    return n_operations / (setup.gpus * gpu.tflops * 1e12 * mfu * efficiency)
