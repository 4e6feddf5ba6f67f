"""`in2 push` as a user runs it, against a Hub on localhost, and downloads from there."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
import yaml

from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.dataset.tables import read_rows
from in2_plugin.io.lock import folder_lock
from in2_plugin.sharing.export import export_dataset
from in2_plugin.sharing.formats import Format
from tests.support.hub_server import READER, WRITER, HubServer

NAME = "someone/in2-small"
DOWNLOAD = (
    "import sys, huggingface_hub as h; h.snapshot_download(sys.argv[1], repo_type='dataset', local_dir=sys.argv[2])"
)


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server


@pytest.fixture
def as_user(hub, tmp_path):
    """Run a command with this hub for the hub; returns exit status, and stdout and stderr together."""

    def run(*command: object, **environment: str) -> tuple[int, str]:
        known = {"HF_ENDPOINT": hub.url, "HF_TOKEN": WRITER, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
        # xet is another protocol than git-lfs; the hub decides which one is spoken
        settings = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "*"}
        done = subprocess.run(
            [sys.executable, *map(str, command)], env={**os.environ, **known, **settings, **environment}, text=True,
            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, cwd=tmp_path,
        )  # fmt: skip
        return done.returncode, done.stdout.strip()

    return run


@pytest.fixture
def push(as_user):
    def pushed(*arguments: object, **environment: str) -> tuple[int, str]:
        return as_user("-m", "in2_plugin.cli", "push", *arguments, **environment)

    return pushed


@pytest.fixture
def with_work(in_chat, tmp_path) -> Path:
    """A dataset folder with every file that must not be uploaded."""
    folder = shutil.copytree(in_chat.folder, tmp_path / "in2")
    for name in ("work.sqlite", "work.sqlite-wal", "work.sqlite-shm", "work.reserve", "examples.parquet.part"):
        (folder / name).write_text("secret")
    (folder / "segments" / "ids.bin.part").write_text("half")
    for name in ("gold_rows/gold_ids.bin", "teacher/initial/00000.bin", "teacher/initial/teaching.lock"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("of a model")
    assert (folder / "build.lock").exists()
    return folder


def test_a_dataset_is_usable_after_upload_and_download(hub, push, as_user, with_work, in_chat, tmp_path):
    status, said = push(with_work, NAME)
    assert status == 0, said
    files = hub.repositories[NAME].files("main")
    home = {path.relative_to(in_chat.folder).as_posix() for path in in_chat.folder.rglob("*") if path.is_file()}
    assert set(files) == home - {"build.lock"} | {".gitattributes"}
    assert hub.repositories[NAME].lfs >= {"examples.parquet", "segments/ids.bin"}
    assert (
        said.splitlines()[-1]
        == f"{with_work}: uploaded to {hub.url}/datasets/{NAME}/commit/{next(iter(hub.repositories[NAME].commits))}"
    )
    status, said = as_user("-c", DOWNLOAD, NAME, tmp_path / "down")
    assert status == 0, said
    down = IN2Dataset(tmp_path / "down", in_chat.tokenizer)
    for row, original in zip(down.rows(), in_chat.dataset.rows(), strict=True):
        assert down.render(row).labels.tolist() == in_chat.dataset.render(original).labels.tolist()
    loaded = datasets.load_dataset(str(tmp_path / "down"), split="train")
    assert loaded[0] == next(read_rows(in_chat.folder / "examples.parquet"))


def test_the_header_of_the_card_is_valid_on_the_hub(hub, push, in_chat):
    status, said = push(in_chat.folder, NAME)
    assert status == 0, said
    assert hub.calls["validate"]
    card = hub.repositories[NAME].files("main")["README.md"].decode()
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["license"] == "other" and header["license_name"] == "cc-by-4.0-and-psf-2.0"
    assert header["size_categories"] == ["n<1K"]


def test_an_export_replaces_one_with_more_files(hub, push, in_chat, tmp_path):
    out = tmp_path / "out"
    many = export_dataset(in_chat.folder, Format.TOKENIZED, out, shard_bytes=40_000)
    assert len(many.shards) > 1
    assert push(out, NAME, "--private")[0] == 0
    assert hub.repositories[NAME].private
    export_dataset(in_chat.folder, Format.TOKENIZED, out, overwrite=True)
    assert push(out, NAME)[0] == 0
    assert set(hub.repositories[NAME].files("main")) == {
        ".gitattributes", "README.md", "export.json", "data/train-00000-of-00001.parquet",
    }  # fmt: skip
    assert len(hub.repositories[NAME].commits) == 2, "one commit a push: no reader sees old and new shards together"


def test_a_revision_is_a_branch(hub, push, in_chat):
    for _ in range(2):
        status, said = push(in_chat.folder, NAME, "--revision", "v2")
        assert status == 0, said
    assert "manifest.json" in hub.repositories[NAME].files("v2")
    assert "manifest.json" not in hub.repositories[NAME].files("main")


def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HF_TOKEN": ""}, "error: you are not logged in to the Hub; run `hf auth login`, or set HF_TOKEN"),
        ({"HF_TOKEN": "hf_unknown"}, "error: the Hub does not accept your token; run `hf auth login`, or set"),
        ({"HF_TOKEN": READER}, f"error: {NAME}: your token has no write access; choose a name under your own"),
        ({"HF_HUB_OFFLINE": "1"}, "error: HF_HUB_OFFLINE is set, so nothing can be uploaded; unset it and run again"),
        ({"HF_ENDPOINT": "http://127.0.0.1:{port}"}, "error: the Hub at http://127.0.0.1:{port} cannot be reached ("),
    ],
    ids=["no login", "wrong token", "no permission", "offline", "no network"],
)
def test_refusals_are_one_line(hub, push, in_chat, environment, expected):
    port = str(unused_port())
    status, said = push(in_chat.folder, NAME, **{key: value.format(port=port) for key, value in environment.items()})
    assert status == 1
    assert said.startswith(expected.format(port=port)) and len(said.splitlines()) == 1, said
    assert not hub.repositories


def test_a_failing_hub_is_one_line(hub, push, in_chat):
    hub.broken["commit"] = 418
    status, said = push(in_chat.folder, NAME)
    assert status == 1
    assert (
        said.splitlines()[-1].startswith(f"error: {NAME}: the Hub answered with status 418:")
        and "Traceback" not in said
    )
    hub.broken = {"store": 400}
    hub.objects.clear()
    status, said = push(in_chat.folder, NAME)
    assert (
        said.splitlines()[-1].startswith(f"error: {NAME}: the Hub answered with status 400:")
        and "Traceback" not in said
    )


def test_a_rejected_card_is_one_line(hub, push, in_chat, tmp_path):
    out = export_dataset(in_chat.folder, Format.MESSAGES, tmp_path / "out").folder
    (out / "README.md").write_text("---\nlicense: my own\n---\n")
    status, said = push(out, NAME)
    assert status == 1 and "Traceback" not in said
    assert f"error: {NAME}: the Hub rejects the upload: Invalid metadata in README.md." in said.splitlines()[-1]


def test_a_public_dataset_does_not_silently_become_private(hub, push, in_chat):
    assert push(in_chat.folder, NAME)[0] == 0
    status, said = push(in_chat.folder, NAME, "--private")
    assert status == 1
    assert said.startswith(f"error: {NAME}: exists and is public, which `--private` does not change")


def test_incomplete_folders_are_not_pushed(hub, push, in_chat, tmp_path):
    folder = shutil.copytree(in_chat.folder, tmp_path / "in2")
    with folder_lock(folder):
        assert f"{folder}: is in use by process {os.getpid()}" in push(folder, NAME)[1]
    (folder / "manifest.json").unlink()
    assert "incomplete IN2 dataset" in push(folder, NAME)[1]
    assert "is not an IN2 dataset" in push(tmp_path, NAME)[1]
    out = export_dataset(in_chat.folder, Format.MESSAGES, tmp_path / "out").folder
    next(out.glob("data/*")).unlink()
    assert "data/train-00000-of-00001.parquet is missing; export again" in push(out, NAME)[1]
    assert "`alone` is not a dataset name on the Hub" in push(in_chat.folder, "alone")[1]
    assert not hub.calls
