"""Convert a GGUF file into a model folder: weights by transformers, in bfloat16, and the tokenizer by `gguf_tokenizer`.

The rounding to bfloat16 loses less than the four bits of the file have. Cost: a minute on one core, 1.5 GB of memory.
"""

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from in2_plugin.errors import ModelError
from in2_plugin.models.gguf_tokenizer import check_tokenizer, read_tokenizer


def convert_gguf(file: Path, folder: Path, tensors_sha256: str) -> int:
    """Write model and tokenizer of a GGUF file to `folder`; return the number of parameters.

    Raises:
        ModelError: weights or tokenizer are not the expected ones.
    """
    tokenizer = read_tokenizer(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file is mapped read-only
        model = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32, **_dense_options()
        )
    model = model.to("cpu", torch.bfloat16)
    found = digest_of_tensors(model.state_dict())
    if found != tensors_sha256:
        raise ModelError(
            f"{file.name}: this version of transformers or gguf gives other weights (SHA-256 {found[:16]}..., not "
            f"{tensors_sha256[:16]}...); install versions that `in2 doctor --environment` lists as tested"
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    check_tokenizer(AutoTokenizer.from_pretrained(folder), model.config)
    return int(model.num_parameters())


def _dense_options() -> dict[str, Any]:
    """Return what transformers 5.20 and newer needs to unpack the blocks of the file; older versions always do."""
    if not hasattr(transformers, "GgufConfig"):
        return {}
    return {"quantization_config": transformers.GgufConfig(dequantize=True)}


def digest_of_tensors(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 over names, shapes, dtypes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
