"""`in2 push`: a finished dataset folder or export onto the Hugging Face hub.

Invariants: nothing is uploaded that is not finished; the work log (it holds every prompt and answer), locks and
half-written files never are. Who the user is, the hub's own login or HF_TOKEN says; no token passes through here.
One commit: a reader of the hub sees the old files or the new ones.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from in2_plugin import layout
from in2_plugin.dataset.reader import read_manifest
from in2_plugin.errors import ConfigError, DatasetError, FolderLocked, HubError, one_line
from in2_plugin.io.lock import lock_holder
from in2_plugin.sharing.export import DATA, RECORD, is_export

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

KEPT_HERE = ["work.sqlite*", layout.WORK_RESERVE, layout.LOCK, "*.part", "*.part/*"]
"""Never uploaded, as patterns over paths in the folder."""
STALE = [f"{DATA}/train-*.parquet"]
"""Removed on the hub when this push does not bring them: shards of an export that had more of them."""


def push(folder: Path, repository: str, *, private: bool = False, revision: str | None = None) -> str:
    """Upload `folder` to the dataset `repository` (user/name), made if it is not there; returns the commit's address.

    `private` is for a new dataset; `revision` is a branch, made if it is not there.

    Raises:
        ConfigError: `repository` is no name of a dataset.
        DatasetError: `folder` is neither a finished dataset nor an export.
        FolderLocked: a build works on it.
        HubError: the hub does not take it.
    """
    _refuse_unfinished(folder)
    if repository.count("/") != 1:
        raise ConfigError(f"`{repository}` is not the name of a dataset on the hub; give it as user/name")
    from huggingface_hub import HfApi, get_token

    if not get_token():
        raise HubError("you are not logged in to the hub; run `hf auth login`, or set HF_TOKEN")
    api = HfApi()
    with _one_sentence(repository, api.endpoint):
        api.create_repo(repository, repo_type="dataset", private=private or None, exist_ok=True)
        if private and not api.dataset_info(repository).private:
            raise HubError(
                f"{repository}: exists and is public, which `--private` does not change; change it on the hub, or give "
                "another name"
            )
        if revision is not None:
            api.create_branch(repository, repo_type="dataset", branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=folder,
            revision=revision,
            ignore_patterns=KEPT_HERE,
            delete_patterns=STALE,
            commit_message="Upload with in2 push",
        )
    return str(commit.commit_url)


def _refuse_unfinished(folder: Path) -> None:
    if not is_export(folder):
        read_manifest(folder)
        if found := lock_holder(folder):
            raise FolderLocked(f"{folder}: is in use by {found}; wait for it, then push")
        return
    for shard in json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]:
        if not (folder / DATA / shard["name"]).is_file():
            raise DatasetError(f"{folder}: lacks {DATA}/{shard['name']}; export again")


@contextmanager
def _one_sentence(repository: str, endpoint: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into a HubError."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except HFValidationError as failure:
        raise ConfigError(f"`{repository}` is not a name that the hub takes: {one_line(failure)}") from None
    except OfflineModeIsEnabled:
        raise HubError("HF_HUB_OFFLINE is set, so nothing can be uploaded; unset it and run again") from None
    except (httpx.HTTPError, RuntimeError, ValueError) as failure:
        # the upload of a file is wrapped once more, in a RuntimeError
        cause = failure.__cause__ if isinstance(failure, RuntimeError) and failure.__cause__ else failure
        if isinstance(cause, HfHubHTTPError):
            raise HubError(_refusal(repository, cause)) from failure
        if isinstance(cause, httpx.HTTPError):
            raise HubError(
                f"the hub at {endpoint} cannot be reached ({one_line(cause)}); check the network and run again, what "
                "was uploaded is kept there"
            ) from failure
        raise HubError(f"{repository}: the hub does not take it: {one_line(cause)}") from failure


def _refusal(repository: str, failure: "HfHubHTTPError") -> str:
    status = failure.response.status_code
    if status == 401:
        return "the hub does not accept your token; run `hf auth login`, or set HF_TOKEN to a valid one"
    if status == 403:
        return (
            f"{repository}: your token may not write there; give a name under your own account, or use a token with "
            "write permission"
        )
    return f"{repository}: the hub answered {status}: {one_line(failure)}; run again later"
