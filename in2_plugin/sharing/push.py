"""`in2 push`: upload a complete dataset folder or export to the Hugging Face Hub.

Invariants: only complete folders are uploaded; the work log (it contains every prompt and answer), locks and partial
files never are. Authentication is the Hub's own login or HF_TOKEN; this module handles no token. The upload is one
commit: readers see either the old or the new files.
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

_DERIVED = (layout.GOLD_ROWS, layout.TEACHER, layout.WRITTEN)
"""Folders of `in2 teach`, without which the dataset is complete."""
_IGNORED = [
    "work.sqlite*", layout.WORK_RESERVE, layout.LOCK, "*.part", "*.part/*", *(f"{name}/*" for name in _DERIVED)
]  # fmt: skip
"""Patterns of paths that are never uploaded."""
_STALE = [f"{DATA}/train-*.parquet"]
"""Patterns of files deleted on the Hub unless this push contains them: shards of an earlier, larger export."""


def push(folder: Path, repository: str, *, private: bool = False, revision: str | None = None) -> str:
    """Upload `folder` to the dataset `repository` (user/name), and return the URL of the commit.

    The repository and the branch `revision` are created if missing; `private` applies to a new repository.

    Raises:
        ConfigError: `repository` is not a valid name.
        DatasetError: `folder` is neither a complete dataset nor an export.
        FolderLocked: a build is using the folder.
        HubError: the Hub rejects the upload or is not reachable.
    """
    _require_complete(folder)
    if repository.count("/") != 1:
        raise ConfigError(f"`{repository}` is not a dataset name on the Hub; use the form user/name")
    from huggingface_hub import HfApi, get_token

    if not get_token():
        raise HubError("you are not logged in to the Hub; run `hf auth login`, or set HF_TOKEN")
    api = HfApi()
    with _hub_errors(repository, api.endpoint):
        api.create_repo(repository, repo_type="dataset", private=private or None, exist_ok=True)
        if private and not api.dataset_info(repository).private:
            raise HubError(
                f"{repository}: exists and is public, which `--private` does not change; change it on the Hub, or "
                "choose another name"
            )
        if revision is not None:
            api.create_branch(repository, repo_type="dataset", branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=folder,
            revision=revision,
            ignore_patterns=_IGNORED,
            delete_patterns=_STALE,
            commit_message="Upload with in2 push",
        )
    return str(commit.commit_url)


def _require_complete(folder: Path) -> None:
    if not is_export(folder):
        read_manifest(folder)
        if found := lock_holder(folder):
            raise FolderLocked(f"{folder}: is in use by {found}; wait for it, then push")
        return
    for shard in json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]:
        if not (folder / DATA / shard["name"]).is_file():
            raise DatasetError(f"{folder}: {DATA}/{shard['name']} is missing; export again")


@contextmanager
def _hub_errors(repository: str, endpoint: str) -> Iterator[None]:
    """Convert exceptions of huggingface_hub to our errors."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except HFValidationError as failure:
        raise ConfigError(f"`{repository}` is not a valid name on the Hub: {one_line(failure)}") from None
    except OfflineModeIsEnabled:
        raise HubError("HF_HUB_OFFLINE is set, so nothing can be uploaded; unset it and run again") from None
    except (httpx.HTTPError, RuntimeError, ValueError) as failure:
        # errors while uploading a file are wrapped in a RuntimeError
        cause = failure.__cause__ if isinstance(failure, RuntimeError) and failure.__cause__ else failure
        if isinstance(cause, HfHubHTTPError):
            raise HubError(_refusal(repository, cause)) from failure
        if isinstance(cause, httpx.HTTPError):
            raise HubError(
                f"the Hub at {endpoint} cannot be reached ({one_line(cause)}); check the network and run again; "
                "uploaded files are kept there"
            ) from failure
        raise HubError(f"{repository}: the Hub rejects the upload: {one_line(cause)}") from failure


def _refusal(repository: str, failure: "HfHubHTTPError") -> str:
    status = failure.response.status_code
    if status == 401:
        return "the Hub does not accept your token; run `hf auth login`, or set HF_TOKEN to a valid one"
    if status == 403:
        return (
            f"{repository}: your token has no write access; choose a name under your own account, or use a token with "
            "write permission"
        )
    return f"{repository}: the Hub answered with status {status}: {one_line(failure)}; run again later"
