import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from in2_plugin.errors import ConfigError, FolderBusy
from in2_plugin.io.lock import _take, folder_lock, holder
from tests.support import ROOT

CHILD = """
import sys, time
from pathlib import Path
from in2_plugin.io.lock import folder_lock
with folder_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the folder."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert child.stdout and child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait()


def test_the_second_is_refused_and_told_of_the_first(tmp_path, other):
    with pytest.raises(FolderBusy) as caught, folder_lock(tmp_path):
        pass
    assert f"{tmp_path}: is being worked on by process {other.pid} on " in str(caught.value)
    assert "since 20" in str(caught.value)
    # the loser has not wiped out the name of the holder
    assert holder(tmp_path).pid == other.pid


def test_a_killed_holder_holds_nothing(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert holder(tmp_path) is None
    with folder_lock(tmp_path):
        assert holder(tmp_path).pid == os.getpid()
    assert holder(tmp_path) is None


def test_it_is_free_again_afterwards_also_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError), folder_lock(tmp_path):
            raise RuntimeError
    with folder_lock(tmp_path):
        pass


def test_looking_creates_nothing(tmp_path):
    assert holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_holder_that_did_not_say_its_name_yet(tmp_path, other):
    (tmp_path / "build.lock").write_text("{")
    with pytest.raises(FolderBusy, match="another process"), folder_lock(tmp_path):
        pass
    # somebody holds it all the same
    assert str(holder(tmp_path)) == "another process"


def test_what_it_says_is_json(tmp_path):
    with folder_lock(tmp_path):
        assert json.loads((tmp_path / "build.lock").read_text())["pid"] == os.getpid()


def test_a_file_system_without_locks(tmp_path):
    # the kernel refuses to lock a descriptor that only names its file
    descriptor = os.open(tmp_path, os.O_PATH)
    with pytest.raises(ConfigError, match="cannot lock files"):
        _take(tmp_path, descriptor, fcntl.LOCK_EX)
    os.close(descriptor)


def test_a_folder_that_cannot_be_written():
    with pytest.raises(ConfigError, match="cannot be written"), folder_lock(Path("/proc")):
        pass
