"""A Mistral of two layers with random weights and a tokenizer of 2,000 pieces of its own; 0.3M parameters."""

from pathlib import Path


def save_tiny_mistral(folder: Path, window: int) -> Path:
    """Write the model and its tokenizer to `folder`; `window` is its max_position_embeddings. Takes about 1 s."""
    from transformers import MistralConfig

    from tests.support import tiny_lm as tiny

    return tiny.save(MistralConfig(**{**tiny.SHAPE, "max_position_embeddings": window, "sliding_window": None}), folder)
