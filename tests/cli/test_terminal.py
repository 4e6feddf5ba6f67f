import io

import pytest

from in2_plugin.cli.terminal import say, wrapped


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")


def test_lines_are_wrapped_at_words_and_paths_stay_whole():
    text = "error: " + "word " * 10 + "/a/path/that/is/longer/than/the/terminal/is/wide.yml\n  second line"
    lines = wrapped(text, Terminal()).splitlines()
    assert "  /a/path/that/is/longer/than/the/terminal/is/wide.yml" in lines
    assert lines[-1] == "  second line"
    assert all(len(line) <= 30 for line in lines if "/" not in line)
    assert " ".join(text.split()) == " ".join(" ".join(lines).split())


def test_nothing_is_wrapped_outside_a_terminal(capsys):
    say("word " * 40)
    assert capsys.readouterr().out == "word " * 40 + "\n"
