"""The public API of `in2_plugin`, and every example of docs/api.md and of the README in Python."""

import inspect
import os
import re
import subprocess
import sys

import pytest

import in2_plugin
from in2_plugin import errors
from tests.support import ROOT

PAGE = (ROOT / "docs/api.md").read_text(encoding="utf-8")
FUNCTIONS = {"audit_dataset", "build_dataset", "load_build_config", "load_in2_dataset"}
ERRORS = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, errors.In2Error)}
BUILD_FILE = """\
output: o
tokenizer: model
mixture: {fine_grained: 4, integration: 1, short_context: 0}
lengths: {min: 400, max: 900}
corpus: {sources: [{path: "bundled:python-docs", limit: 60}]}
"""


def python(code: str, **options) -> str:
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def examples(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_the_public_names():
    assert set(in2_plugin.__all__) == FUNCTIONS | ERRORS | {"BuildConfig", "IN2Dataset", "__version__"}
    assert set(in2_plugin.__all__) <= set(dir(in2_plugin))
    assert all(getattr(in2_plugin, name) is not None for name in in2_plugin.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = in2_plugin.no_such_name


def test_the_page_describes_every_public_name():
    assert [name for name in in2_plugin.__all__ if not name.startswith("_") and f"`{name}" not in PAGE] == []


def test_import_is_cheap():
    heavy = ["pydantic", "numpy", "torch", "datasets", "pyarrow", "transformers", "in2_plugin.errors"]
    assert python(f"import sys, in2_plugin; print([name for name in {heavy} if name in sys.modules])").strip() == "[]"


def test_errors_are_imported_without_pydantic():
    assert python("import sys; from in2_plugin import In2Error; print('pydantic' in sys.modules)").strip() == "False"


def test_the_examples_of_the_page_run(mistral_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build.yml").write_text(BUILD_FILE)
    (tmp_path / "model").symlink_to(mistral_folder)
    found = examples(PAGE)
    assert len(found) == 5
    for example in found:
        exec(compile(example, "docs/api.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("5 ") and lines[1].startswith("True ")
    assert lines[-1].startswith("build.yml: unknown key `lengths.maximum`; did you mean ")


@pytest.mark.slow
@pytest.mark.e2e_full  # tests/e2e/test_guides.py trains with it too
def test_the_readmes_trl_example_trains(built, mistral_folder, tmp_path):
    """As printed, except for a tiny model and one step."""
    from transformers import AutoTokenizer, MistralConfig, MistralForCausalLM

    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = MistralForCausalLM(MistralConfig(vocab_size=32_000, num_key_value_heads=2, sliding_window=None, **shape))
    model.save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(mistral_folder).save_pretrained(tmp_path / "model")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/my-in2").symlink_to(built)
    (example,) = examples((ROOT / "README.md").read_text(encoding="utf-8"))
    for printed, small in (
        ('"mistralai/Mistral-7B-Instruct-v0.2"', '"model"'),
        ('SFTConfig("out"', 'SFTConfig("out", max_steps=1, bf16=False, report_to="none"'),
    ):
        assert example.count(printed) == 1
        example = example.replace(printed, small)
    environment = {**os.environ, "ACCELERATE_TORCH_DEVICE": "cpu", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    python(example, cwd=tmp_path, env=environment)
    assert (tmp_path / "out/checkpoint-1").is_dir()
