import subprocess
import sys

import pytest

HEAVY = [
    "torch",
    "transformers",
    "axolotl",
    "trl",
    "lm_eval",
    "openai",
    "ray",
    "datasets",
    "pyarrow",
    "matplotlib",
    "numpy",
]


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True).stdout


@pytest.mark.parametrize("use", ["import in2_plugin", "import in2_plugin.cli.app"])
def test_imports_stay_cheap(use):
    loaded = python(f"import sys; {use}; print([name for name in {HEAVY} if name in sys.modules])")
    assert loaded.strip() == "[]"


def in2(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from in2_plugin.cli.app import app; app(prog_name='in2')", *arguments],
        text=True, capture_output=True, check=False,
    )  # fmt: skip


def test_help_names_every_command():
    output = in2("--help").stdout
    for command in ("build", "recipes", "lm-eval", "tasks-path", "tasks", "report"):
        assert command in output


def test_an_error_is_one_sentence_on_stderr(tmp_path):
    done = in2("build", str(tmp_path / "none.yml"))
    assert done.returncode == 1
    assert (
        done.stderr
        == f"error: {tmp_path}/none.yml: cannot be read (No such file or directory); give the path to a build file\n"
    )


@pytest.mark.slow
def test_a_build_prints_plain_lines_outside_a_terminal(mistral_folder, tmp_path):
    (tmp_path / "b.yml").write_text(
        f"output: {tmp_path}/o\ntokenizer: m\n"
        "mixture: {fine_grained: 4, integration: 1, short_context: 0}\nlengths: {min: 400, max: 900}\n"
        "corpus: {sources: [{path: 'bundled:python-docs', limit: 60}]}\n"
    )
    done = in2("build", str(tmp_path / "b.yml"), "--tokenizer", str(mistral_folder))
    assert done.returncode == 0, done.stderr
    assert "writing fine-grained questions: 4 in" in done.stdout
    assert f"{tmp_path}/o: 5 examples" in done.stdout
    again = in2("build", str(tmp_path / "b.yml"), "--tokenizer", str(mistral_folder))
    assert "is already complete" in again.stdout
