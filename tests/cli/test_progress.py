import io
import re
import time

import pytest

from in2_plugin.cli.progress import PlainProgress, TerminalProgress, duration, make_progress


def test_plain_lines_continue_without_progress():
    out = io.StringIO()
    progress = PlainProgress(out, interval=0.02)
    with progress.stage("asking", 100, lambda: "3 requests/s") as step:
        step(10)
        while out.getvalue().count("\n") < 4:
            time.sleep(0.005)
    lines = out.getvalue().splitlines()
    assert lines[0] == "asking ..."
    assert lines[1].startswith("asking: 10 of 100, about ")
    assert lines[1].endswith(" left (3 requests/s)")
    # no step since the last line: no estimate
    assert lines[2] == "asking: 10 of 100 (3 requests/s)"
    assert re.match(r"asking: 10 in \d", lines[-1])


def test_a_failing_stage_prints_no_last_line():
    out = io.StringIO()
    with pytest.raises(ValueError, match="broken"), PlainProgress(out).stage("asking", None):
        raise ValueError("broken")
    assert out.getvalue() == "asking ...\n"


def test_a_terminal_shows_the_detail_below_the_bar(capsys):
    with TerminalProgress().stage("asking", 100, lambda: "3 requests/s [not markup]") as step:
        step(10)
        time.sleep(0.3)
    out = capsys.readouterr().out
    assert "10/100" in out
    assert "3 requests/s [not markup]" in out


def test_quiet_prints_nothing(capsys):
    out = io.StringIO()
    progress = make_progress(out, quiet=True)
    progress.say("a line")
    with progress.stage("asking", 100) as step:
        step(10)
    assert (out.getvalue(), *capsys.readouterr()) == ("", "", "")


def test_a_pipe_gets_plain_lines():
    assert isinstance(make_progress(io.StringIO()), PlainProgress)


@pytest.mark.parametrize(
    ("seconds", "text"), [(3, "3 s"), (89, "89 s"), (600, "10 min"), (9_000, "2.5 h"), (259_200, "3.0 days")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
