"""The scripts that build on a Slurm cluster, with stand-ins for Slurm's programs that run everything on this machine.

What they run is real: `in2`, and a Ray of two nodes that is started and stopped by the script.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.support.builds import small_config
from tests.support.e2e_run import ENVIRONMENT, ROOT

pytestmark = pytest.mark.slow

RECIPE = ROOT / "recipes/film-7b"
SRUN = """\
#!/usr/bin/env bash
# srun [--option=value ...] program ...: runs it here, once
echo "srun $*" >>"$SAID"
while [[ "$1" == --* ]]; do shift; done
exec "$@"
"""
SBATCH = """\
#!/usr/bin/env python3
# sbatch --wait --array=1-N ... --wrap COMMAND: the jobs one after the other, and the highest status of them
import os, subprocess, sys
options = dict(word.partition("=")[::2] for word in sys.argv[1:] if word.startswith("--"))
command, last = sys.argv[sys.argv.index("--wrap") + 1], int(options["--array"].partition("-")[2])
with open(os.environ["SAID"], "a") as said:
    print("sbatch", *sys.argv[1:], file=said)
lost = os.environ["LOST"]
status = 0
for job in range(1, last + 1):
    if os.path.exists(lost):  # a machine that fails before the first job has begun
        os.remove(lost)
        status = 1
        continue
    done = subprocess.run(["bash", "-c", command], env={**os.environ, "SLURM_ARRAY_TASK_ID": str(job)})
    status = max(status, done.returncode)
sys.exit(status)
"""


@pytest.fixture
def recipe(tmp_path, mistral_folder, monkeypatch) -> Path:
    """The two scripts beside a small build file, in a shell whose `srun`, `sbatch` and `scontrol` are ours."""
    folder, programs = tmp_path / "recipe", tmp_path / "programs"
    folder.mkdir()
    programs.mkdir()
    for name in ("build-ray.sbatch", "build-array.sh"):
        shutil.copy(RECIPE / name, folder)
    values = small_config(Path("data"), mistral_folder).model_dump(mode="json")
    (folder / "build.yml").write_text(yaml.safe_dump(values))
    for name, text in {"srun": SRUN, "sbatch": SBATCH}.items():
        (programs / name).write_text(text)
    (programs / "scontrol").write_text("#!/bin/sh\necho $HEAD\necho other-node\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{programs}:{ENVIRONMENT['PATH']}")
    monkeypatch.setenv("SAID", str(tmp_path / "said"))
    monkeypatch.setenv("LOST", str(tmp_path / "lost"))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a dataset that another way of building must make the same."""
    paths = [*folder.glob("*.parquet"), *(folder / "segments").iterdir(), *(folder / "plans").iterdir()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def run(*command: object, cwd: Path, timeout: float = 500) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], cwd=cwd, text=True, timeout=timeout, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.mark.e2e_full
def test_a_job_array_builds_the_same_dataset_though_a_job_is_lost(recipe, built, tmp_path):
    (tmp_path / "lost").touch()
    done = run(recipe / "build-array.sh", 2, "--partition=cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert contents(recipe / "data") == contents(built)
    said = (tmp_path / "said").read_text().splitlines()
    arrays = [line for line in said if line.startswith("sbatch")]
    merges = [line for line in said if line.startswith("srun")]
    assert len(merges) == len(arrays) + 1 and all("--partition=cpu" in line for line in said)
    assert not (tmp_path / "lost").exists() and arrays[0] == arrays[1]
    assert "--array=1-2" in arrays[0] and arrays[0].endswith("in2 build build.yml --shard $SLURM_ARRAY_TASK_ID/2")


def test_a_job_array_ends_with_the_error_of_the_merge(recipe, tmp_path):
    (recipe / "build.yml").write_text("output: data\ntokenisr: t\n")
    done = run(recipe / "build-array.sh", 2, cwd=tmp_path)
    assert done.returncode == 1 and "tokenisr" in done.stdout
    assert "sbatch" not in (tmp_path / "said").read_text()


@pytest.fixture
def allocation(recipe, monkeypatch) -> dict[str, str]:
    """What Slurm tells a job on two machines, both of which are this one."""
    import ray

    job = str(os.getpid())
    facts = {
        "SLURM_SUBMIT_DIR": str(recipe), "SLURM_JOB_ID": job, "SLURM_JOB_NODELIST": "node[7-8]",
        "SLURM_JOB_NUM_NODES": "2", "SLURM_CPUS_PER_TASK": "1", "HEAD": ray.util.get_node_ip_address(),
    }  # fmt: skip
    for name, value in facts.items():
        monkeypatch.setenv(name, value)
    return facts


def ray_processes(job: str) -> list[str]:
    """Command lines of the Ray of a job that is still there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"/tmp/ray-{job}/" in command:
            found.append(command)
    return found


@pytest.fixture
def no_ray_is_left(allocation):
    yield
    until = time.monotonic() + 30
    while ray_processes(allocation["SLURM_JOB_ID"]) and time.monotonic() < until:
        time.sleep(0.5)
    assert ray_processes(allocation["SLURM_JOB_ID"]) == []
    shutil.rmtree(f"/tmp/ray-{allocation['SLURM_JOB_ID']}", ignore_errors=True)


@pytest.mark.e2e_full
@pytest.mark.usefixtures("no_ray_is_left")
def test_ray_on_an_allocation_builds_the_same_dataset(recipe, allocation, built, tmp_path):
    done = run(recipe / "build-ray.sbatch", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "Ray runs on 2 of 2 machines" in done.stdout and "Ray: 2 nodes, 2 CPUs" in done.stdout
    assert contents(recipe / "data") == contents(built)
    head, other = [line for line in (tmp_path / "said").read_text().splitlines() if "ray start" in line]
    assert f"--nodelist={allocation['HEAD']} ray start --head" in head
    assert f"--nodes=1 --ntasks=1 --exclude={allocation['HEAD']}" in other


@pytest.mark.e2e_full
@pytest.mark.usefixtures("no_ray_is_left")
def test_a_job_that_is_stopped_goes_on_when_it_is_submitted_again(recipe, allocation, built, tmp_path, monkeypatch):
    """SIGTERM goes to the script alone, as `--signal=B:TERM` sends it."""
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "1")
    output = tmp_path / "output"
    with output.open("w") as file:
        job = subprocess.Popen([recipe / "build-ray.sbatch"], cwd=tmp_path, stdout=file, stderr=file)
        until = time.monotonic() + 400
        while not (recipe / "data/segments/store.json").exists():
            assert job.poll() is None and time.monotonic() < until, output.read_text()
            time.sleep(0.05)
        job.send_signal(signal.SIGTERM)
        assert job.wait(timeout=120) == 130, output.read_text()
    assert "stopped; run the same command again to resume" in output.read_text()
    assert not (recipe / "data/manifest.json").exists()
    finished = (recipe / "data/segments/store.json").stat().st_mtime_ns
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    done = run(recipe / "build-ray.sbatch", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert (recipe / "data/segments/store.json").stat().st_mtime_ns == finished
    assert contents(recipe / "data") == contents(built)


@pytest.mark.e2e_full
@pytest.mark.usefixtures("no_ray_is_left")
def test_a_build_that_fails_ends_the_job_with_its_status(recipe, allocation, tmp_path):
    (recipe / "build.yml").write_text("output: data\ntokenisr: t\n")
    done = run(recipe / "build-ray.sbatch", cwd=tmp_path)
    assert done.returncode == 1 and "tokenisr" in done.stdout, done.stdout


def test_the_programs_that_are_run_are_installed():
    assert Path(sys.executable).with_name("in2").exists() and Path(sys.executable).with_name("ray").exists()
