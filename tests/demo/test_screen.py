import io

import pytest

from in2_plugin.demo.screen import WIDTH, DemoScreen, about, clock, progress
from in2_plugin.demo.training_log import LogFollower


@pytest.mark.parametrize(
    ("seconds", "text"), [(35.4, "35 s"), (240, "4 min"), (4_800, "80 min"), (7_260, "2 h 01 min")]
)
def test_durations(seconds, text):
    assert clock(seconds) == text


def test_an_unknown_time_is_not_invented():
    assert about(None) == "" and about(240) == "about 4 min"


def test_two_lines_a_stage_with_the_time_at_the_right():
    out = io.StringIO()
    screen = DemoScreen(out)
    screen.begin("2/7", "probe", "questions about documents that training never sees", "about 20 s")
    screen.finish("60 questions at 5 depths of 1,024 tokens", "18 s")
    first, second = out.getvalue().splitlines()
    assert first.startswith("2/7  probe      questions about") and first.endswith(" about 20 s")
    assert second.startswith(" " * 16 + "60 questions") and second.endswith(" 18 s")
    assert len(first) == len(second) == WIDTH


def test_training_prints_a_line_at_each_fifth_where_there_is_no_terminal(tmp_path):
    out = io.StringIO()
    screen = DemoScreen(out)
    screen.begin("5/7", "train", "train", "")
    log = LogFollower(tmp_path / "log", total=100, left="01:00")
    for done in range(101):
        log.done, log.losses = done, [*log.losses, 2.0 - done / 100]
        screen.update(log, 0.0)
    lines = out.getvalue().splitlines()[1:]
    assert len(lines) == 4
    assert lines[0].strip().startswith("loss 1.80 █") and "20 of 100, 01:00 left" in lines[0]
    assert all(len(line) <= WIDTH for line in lines)


def test_progress_without_a_bar_is_the_time(tmp_path):
    assert progress(LogFollower(tmp_path / "log"), 12.3) == "12 s"
