"""Parse lm_eval's command line and its --config file."""

import json

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.probing.lm_eval.command_line import Invocation, read_invocation


@pytest.mark.parametrize(("argv", "limit"), [([], None), (["--limit", "30"], 30), (["-L", "0.1"], 0.1)])
def test_the_limit_is_known(argv, limit):
    assert read_invocation(argv).limit == limit


@pytest.mark.parametrize("argv", [["--model", "vllm"], ["--model=vllm"], ["-M", "vllm"], ["run", "-M", "vllm"]])
def test_the_backend(argv):
    assert read_invocation([*argv, "--model_args", "pretrained=m,dtype=auto", "--tasks", "a"]).model == "vllm"


@pytest.mark.parametrize(
    "argv", [["--tasks", "a,b"], ["--tasks", "a", "b", "--model", "hf"], ["-t", "a, b"], ["--tasks=a,b"]]
)
def test_all_tasks_of_the_run(argv, tmp_path):
    assert read_invocation(argv).tasks == ("a", "b")
    file = tmp_path / "run.yaml"
    file.write_text("tasks: [a, {task: own}, b]\n")
    assert read_invocation(["--config", str(file)]).tasks == ("a", "b")


def test_defaults():
    unknown = Invocation(model=None, gen_kwargs={}, applies_chat_template=False)
    assert read_invocation([]) == unknown
    assert read_invocation(["-q", "tests/probing", "--model_args", "model=m"]) == unknown
    assert read_invocation(["--gen_kwargs"]) == unknown  # another program's: lm_eval requires a value


@pytest.mark.parametrize(
    ("argv", "applied"),
    [
        (["--apply_chat_template"], True),
        (["--apply_chat"], True),
        (["--apply_chat_template", "default"], True),
        (["--apply_chat_template", "--model", "hf"], True),
        (["--apply_chat_template=False"], False),
        (["--fewshot_as_multiturn"], False),
    ],
)
def test_the_chat_template(argv, applied):
    assert read_invocation(argv).applies_chat_template is applied


@pytest.mark.parametrize(
    "argv",
    [
        ["--gen_kwargs", "max_gen_toks=512,temperature=0"],
        ["--gen_kwargs", "temperature=0", "max_gen_toks=512", "--tasks", "a"],
        ["--gen_kwargs", "temperature=0", "--gen_kwargs", "max_gen_toks=512"],
        ["--gen_kwargs", json.dumps({"max_gen_toks": 512})],
        ["--gen_kwargs", 'until=["a","b"],max_gen_toks=512'],
        ["--gen_kwargs=max_gen_toks=512"],
    ],
)
def test_tokens_to_generate(argv):
    assert read_invocation(argv).new_tokens(128) == 512


def test_other_spellings():
    """`max_gen_toks` of the task wins, but API models prefer `max_tokens`."""
    for text in ("max_new_tokens=512", "max_tokens=512", "temperature=1"):
        assert read_invocation(["--model", "hf", "--gen_kwargs", text]).new_tokens(128) == 128
    assert read_invocation(["--model", "local-completions", "--gen_kwargs", "max_tokens=512"]).new_tokens(128) == 512


@pytest.mark.parametrize("value", ["lots", "0", "-5", "1e3"])
def test_invalid_counts_are_refused(value):
    with pytest.raises(ConfigError, match=rf"--gen_kwargs max_gen_toks={value} is not a whole number above 0"):
        read_invocation(["--gen_kwargs", f"max_gen_toks={value}"]).new_tokens(128)


def test_broken_json_is_left_to_lm_eval():
    assert read_invocation(["--gen_kwargs", "{max_gen_toks"]).gen_kwargs == {}


def test_the_command_line_overrides_the_config_file(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(
        "model: vllm\ngen_kwargs: {max_gen_toks: 300}\napply_chat_template: true\nmodel_args: {pretrained: m}\n"
    )
    found = read_invocation(["--config", str(file)])
    assert found == Invocation("vllm", {"max_gen_toks": "300"}, True)
    found = read_invocation(["-C", str(file), "--model", "hf", "--gen_kwargs", "max_gen_toks=200"])
    assert (found.model, found.new_tokens(128)) == ("hf", 200)
    file.write_text("gen_kwargs: max_gen_toks=77\nmodel: null\n")
    assert read_invocation(["--config", str(file)]) == Invocation(None, {"max_gen_toks": "77"}, False)


@pytest.mark.parametrize("content", ["- a list", "{", None])
def test_an_invalid_config_file_is_ignored(tmp_path, content):
    file = tmp_path / "run.yaml"
    if content:
        file.write_text(content)
    assert read_invocation(["--config", str(file), "--model", "hf"]).model == "hf"
