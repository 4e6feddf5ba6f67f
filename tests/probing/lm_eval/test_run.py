"""`in2 lm-eval` around a stand-in for lm_eval's parser; tests/e2e runs the real one."""

import argparse
import sys
import types

import pytest

from in2_plugin.errors import ConfigError, MissingExtra, ProbeError
from in2_plugin.probing.lm_eval import run
from in2_plugin.probing.lm_eval.install import tasks_folder


@pytest.fixture
def executed(monkeypatch) -> list[argparse.Namespace]:
    """The parsed arguments that were executed."""
    done: list[argparse.Namespace] = []

    class Parser:
        def parse_args(self):
            parser = argparse.ArgumentParser()
            parser.add_argument("--include_path")
            parser.add_argument("--config")
            parser.add_argument("--model")
            return parser.parse_args(sys.argv[1:])

        def execute(self, parsed):
            done.append(parsed)

    monkeypatch.setattr(run, "_command_line", lambda: (Parser, lambda: None))
    monkeypatch.setattr(sys, "argv", ["in2"])
    return done


def test_our_folder_comes_before_the_users(executed, tmp_path):
    config = tmp_path / "run.yml"
    config.write_text("include_path: [of, config]\n")
    for arguments in ([], ["--include_path", "own"], ["--config", str(config)]):
        run.run_lm_eval(arguments)
    ours = str(tasks_folder())
    assert [parsed.include_path for parsed in executed] == [[ours], [ours, "own"], [ours, "of", "config"]]


@pytest.mark.parametrize("name", ["in2-local-chat-completions", "local-chat-completions", "openai-chat-completions"])
def test_a_chat_backend_without_a_chat_template_is_refused(executed, name):
    with pytest.raises(ConfigError, match=rf"^--model {name} sends chat messages; add --apply_chat_template"):
        run.run_lm_eval(["--model", name])
    assert not executed


def test_missing_lm_eval_is_reported_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "in2-plugin\[eval\]"'):
        run.run_lm_eval([])


def test_another_lm_eval_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval._cli", types.ModuleType("lm_eval._cli"))
    with pytest.raises(ProbeError, match=r"does not support the command line of this .*--include_path"):
        run.run_lm_eval([])
