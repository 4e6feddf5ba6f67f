import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from in2_plugin.errors import ConfigError, FolderLocked
from in2_plugin.io.lock import _acquire, folder_lock, lock_holder
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
    """Start another process that holds the folder."""
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


def test_a_second_process_is_rejected_with_the_name_of_the_first(tmp_path, other):
    with pytest.raises(FolderLocked) as caught, folder_lock(tmp_path):
        pass
    assert f"{tmp_path}: is in use by process {other.pid} on " in str(caught.value)
    assert "since 20" in str(caught.value)
    # the rejected process has not cleared the name of the holder
    assert lock_holder(tmp_path).pid == other.pid


def test_a_killed_holder_releases_the_lock(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert lock_holder(tmp_path) is None
    with folder_lock(tmp_path):
        assert lock_holder(tmp_path).pid == os.getpid()
    assert lock_holder(tmp_path) is None


def test_the_lock_is_released_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError), folder_lock(tmp_path):
            raise RuntimeError
    with folder_lock(tmp_path):
        pass


def test_lock_holder_creates_nothing(tmp_path):
    assert lock_holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_holder_without_a_name_yet(tmp_path, other):
    (tmp_path / "build.lock").write_text("{")
    with pytest.raises(FolderLocked, match="another process"), folder_lock(tmp_path):
        pass
    assert str(lock_holder(tmp_path)) == "another process"


def test_the_lock_file_is_json(tmp_path):
    with folder_lock(tmp_path):
        assert json.loads((tmp_path / "build.lock").read_text())["pid"] == os.getpid()


def test_a_file_system_without_locks(tmp_path):
    # the kernel cannot lock an O_PATH descriptor
    descriptor = os.open(tmp_path, os.O_PATH)
    with pytest.raises(ConfigError, match="cannot lock files"):
        _acquire(tmp_path, descriptor, fcntl.LOCK_EX)
    os.close(descriptor)


def test_a_folder_that_is_not_writable():
    with pytest.raises(ConfigError, match="cannot be written"), folder_lock(Path("/proc")):
        pass
