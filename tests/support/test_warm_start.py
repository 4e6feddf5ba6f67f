import sys

import pytest

from tests.support import warm_start
from tests.support.warm_start import run_warm

MODULE = """
import os, sys
print(__name__, "json" in sys.modules, sys.argv[1:], os.getpid(), "left" in sys.modules, repr(sys.stdin.read()))
print("and an error", file=sys.stderr, flush=True)
sys.modules["left"] = sys
sys.exit("wrong" in sys.argv)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(warm_start, "PRELOADED", ("json",))
    (tmp_path / "sample.py").write_text(MODULE)
    return tmp_path


def test_each_run_is_a_command_of_its_own(folder):
    said = [run_warm(sys.executable, "sample", "a b", 1, cwd=folder) for _ in range(2)]
    processes = set()
    for text in said:
        assert "and an error\n" in text
        (line,) = [line for line in text.splitlines() if line.startswith("__main__ True ['a b', '1'] ")]
        processes.add(line.split()[-3])
        assert line.endswith(" False ''")
    assert len(processes) == 2
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["sample.py"]


@pytest.mark.parametrize(("argument", "ok"), [("wrong", True), ("right", False)])
def test_another_end_than_expected_fails_with_the_output(folder, argument, ok):
    with pytest.raises(AssertionError, match=rf"exit status {int(ok)}\n(.*\n)*__main__ True \['{argument}'\]"):
        run_warm(sys.executable, "sample", argument, cwd=folder, ok=ok)
