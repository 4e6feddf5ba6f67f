import pytest
import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM

from in2_plugin.errors import ModelError
from in2_plugin.models.convert import convert_gguf, digest_of_tensors
from tests.support.tiny_gguf import TENSORS, write_gguf


def test_a_file_becomes_a_model_folder(tmp_path):
    file = write_gguf(tmp_path / "in/tiny.gguf")
    parameters = convert_gguf(file, tmp_path / "out", TENSORS)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
    assert model.dtype == torch.bfloat16 and model.num_parameters() == parameters
    assert digest_of_tensors(model.state_dict()) == TENSORS
    (written,) = (tensor for tensor in GGUFReader(file).tensors if tensor.name == "token_embd.weight")
    read = model.get_input_embeddings().weight
    assert torch.equal(read, torch.tensor(written.data).reshape(read.shape).to(torch.bfloat16))


def test_other_weights_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ModelError, match=r"tiny\.gguf: this version of transformers or gguf gives other weights"):
        convert_gguf(write_gguf(tmp_path / "in/tiny.gguf"), tmp_path / "out", "0" * 64)
    assert not (tmp_path / "out").exists()


def test_the_digest_depends_on_names_shapes_dtypes_and_values():
    base = torch.arange(6, dtype=torch.float32)
    variants = [
        {"a": base}, {"b": base}, {"a": base.reshape(2, 3)}, {"a": base.to(torch.bfloat16)}, {"a": base + 1},
        {"a": base, "b": base},
    ]  # fmt: skip
    assert len({digest_of_tensors(each) for each in variants}) == len(variants)
    assert digest_of_tensors({"a": base, "b": base + 1}) == digest_of_tensors({"b": base + 1, "a": base})
