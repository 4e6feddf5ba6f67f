"""Commands of the demo as real processes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from in2_plugin.demo.process import MARK, end_orphans, require_programs, run_logged
from in2_plugin.errors import DemoFailed, MissingExtra

SLEEPER = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; print(1); time.sleep(600)'])"
"""A command with a child, as a launcher has."""


def run(folder, code, look=lambda: None):
    (folder / "program.py").write_text(code)
    run_logged(("python", "program.py"), folder, folder / "log", os.environ, look)


def test_output_goes_to_the_log_and_looks_are_taken(tmp_path):
    looks = []
    run(tmp_path, "print('hello')", lambda: looks.append(1))
    assert "$ python program.py" in (tmp_path / "log").read_text() and "hello" in (tmp_path / "log").read_text()
    assert looks


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('1%', end='\\r'); raise SystemExit(3)", "failed with exit status 3"),
        ("raise SystemExit('No space left on device')", "The disk is full"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by signal 9"),
        ("raise MemoryError", "Probably not enough memory"),
    ],
)
def test_a_failure_shows_the_end_of_the_log_and_what_to_do(tmp_path, code, said):
    with pytest.raises(DemoFailed, match="run the same command again") as failed:
        run(tmp_path, f"for i in range(100): print('line', i)\n{code}")
    text = str(failed.value)
    assert said in text and str(tmp_path / "log") in text and "line 50\n" not in text


def test_an_interrupted_command_is_stopped_with_its_children(tmp_path):
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, SLEEPER, interrupt)
    assert end_orphans(tmp_path) == 0


def test_commands_of_a_killed_demo_are_found_and_ended(tmp_path):
    (tmp_path / "program.py").write_text(SLEEPER)
    code = (
        "import os; from pathlib import Path; from in2_plugin.demo.process import run_logged\n"
        f"run_logged(('python', 'program.py'), Path({str(tmp_path)!r}), Path('log'), os.environ, lambda: None)"
    )
    demo = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    while not (log := tmp_path / "log").exists() or "\n1" not in log.read_text():
        time.sleep(0.05)
    demo.send_signal(signal.SIGKILL)
    demo.wait()
    assert end_orphans(tmp_path / "other") == 0
    assert end_orphans(tmp_path) == 2
    assert end_orphans(tmp_path) == 0


def test_the_mark_is_in_the_environment_of_descendants(tmp_path):
    run(tmp_path, f"import os; print(os.environ['{MARK}'])")
    assert str(tmp_path) in (tmp_path / "log").read_text()


def test_a_missing_program_is_named(monkeypatch):
    monkeypatch.setattr("in2_plugin.demo.process.find_spec", lambda name: None if name == "lm_eval" else object())
    with pytest.raises(MissingExtra, match=r"in2-plugin\[eval\]"):
        require_programs(None)
