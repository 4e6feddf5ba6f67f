import json
import shutil
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


IN_TURN = """
import sys
from in2_plugin.cli.app import app
for line in sys.stdin.read().splitlines():
    sys.argv[1:] = line.split()
    try:
        app(prog_name="in2")
    except SystemExit as end:
        assert not end.code, (line, end.code)
    print("\\nmodules", *{name.partition(".")[0] for name in sys.modules}, flush=True)
"""


def loaded_modules(*commands: str) -> list[set[str]]:
    """Run commands in one process; return the top-level modules that it has imported by the end of each."""
    done = subprocess.run(
        [sys.executable, "-c", IN_TURN], input="\n".join(commands), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = [set(line.split()) for line in done.stdout.splitlines() if line.startswith("modules ")]
    assert len(loaded) == len(commands)
    return loaded


def test_help_loads_no_large_library():
    large = {*HEAVY, "pydantic", "rich", "scipy", "pandas", "sklearn", "tokenizers", "huggingface_hub"}
    (loaded,) = loaded_modules("--help")
    assert loaded & large == set()


def test_commands_that_need_a_tokenizer_load_no_torch(built, mistral_folder, tmp_path):
    shutil.copytree(built, tmp_path / "data")
    config = {
        "output": str(tmp_path / "output"), "tokenizer": str(mistral_folder), "workers": 1,
        "corpus": {"sources": [{"path": "bundled:python-docs", "limit": 60}]},
        "mixture": {"fine_grained": 4, "integration": 1, "short_context": 0}, "lengths": {"min": 400, "max": 900},
    }  # fmt: skip
    (tmp_path / "build.json").write_text(json.dumps(config))
    endpoint = {"model": "m", "base_url": "http://localhost:1/v1", "api_key_env": None}
    config["questions"] = {"writer": "endpoint", "endpoint": endpoint}
    (tmp_path / "endpoint.json").write_text(json.dumps(config))
    data = tmp_path / "data"
    commands = [
        f"status {data}", f"build {tmp_path}/build.json", f"preview {tmp_path}/build.json",
        f"estimate {tmp_path}/endpoint.json", f"audit {data}", f"doctor {data}",
        f"export {data} --to tokenized -o {tmp_path}/new",
        f"val write --task document --tokenizer {mistral_folder} --length 2K -o {tmp_path}/probe",
    ]  # fmt: skip
    for command, loaded in zip(commands, loaded_modules(*commands), strict=True):
        # pyarrow imports pandas, when it is installed, to look at what it is given
        assert loaded & {"torch", "sklearn", "transformers", "axolotl", "trl", "datasets"} == set(), command
        assert ("tokenizers" in loaded) != command.startswith("status"), command


@pytest.mark.parametrize(("typed", "near"), [("biuld", "build"), ("recipes lst", "list")])
def test_a_misspelled_command_gets_one_suggestion(typed, near):
    done = in2(*typed.split())
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(f"; did you mean `{near}`?")
    assert done.stderr.lower().count("did you mean") == 1


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


@pytest.mark.parametrize("group", [(), ("recipes",), ("tasks",), ("val",)])
def test_the_summary_of_every_command_fits_into_80_columns(group, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = in2(*group, "--help").stdout.partition("Commands:")[2].splitlines()
    assert [line for line in lines if line.rstrip().endswith("...")] == []
