"""The Hugging Face Hub on localhost: the parts for creating a dataset, uploading a folder and downloading it.

In a test: `with HubServer() as hub: ... hub.url, hub.repositories`. The protocol is that of huggingface_hub 1.17:
repositories by `/api/repos/create`, files by `preupload`, git-lfs batches and one `commit`, downloads by `resolve`. It
keeps every version of a branch, checks digests, validates cards, and has two users, one without write permission.
"""

import base64
import hashlib
import json
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import yaml

from in2_plugin.sharing.card import HUB_LICENSES

WRITER, READER = "hf_writer", "hf_reader"
"""Tokens of the two users."""
LFS = (".parquet", ".arrow", ".bin")
"""Extensions that the hub's own .gitattributes assigns to git-lfs."""
REPOSITORY = r"(?P<name>[\w.-]+/[\w.-]+)"


@dataclass
class Repository:
    """One dataset: the files of each branch."""

    private: bool = False
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {".gitattributes": b""}})
    commits: dict[str, list[str]] = field(default_factory=dict)
    """Added or removed paths per commit id, in order."""
    lfs: set[str] = field(default_factory=set)
    """Paths that were uploaded by git-lfs."""

    def sha(self, revision: str) -> str:
        """Return forty hex digits over the files of a branch."""
        files = sorted((path, hashlib.sha1(data).hexdigest()) for path, data in self.files(revision).items())
        return hashlib.sha1(repr(files).encode()).hexdigest()

    def files(self, revision: str) -> dict[str, bytes]:
        """Return the files of a branch, or of the branch at a commit."""
        if revision in self.branches:
            return self.branches[revision]
        return next(files for branch, files in self.branches.items() if self.sha(branch) == revision)


class HubServer:
    """A server that runs in its own threads."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        """git-lfs objects, by SHA-256."""
        self.calls: Counter[str] = Counter()
        self.broken: dict[str, int] = {}
        """Calls that fail with this status."""
        self.lock = threading.RLock()

    def __enter__(self) -> "HubServer":
        handler = type("Handler", (_Handler,), {"hub": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"


class ErrorResponse(Exception):
    """A response with another status than 200."""

    def __init__(self, status: int, error: str, **more: object) -> None:
        super().__init__(error)
        self.status, self.body = status, {"error": error, **more}


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        try:
            with self.hub.lock:
                data, headers = self._find(method, path)
            status = 200
        except ErrorResponse as refused:
            status, data, headers = refused.status, json.dumps(refused.body).encode(), {"X-Error-Message": str(refused)}
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if method != "HEAD":
            self.wfile.write(data)

    def _find(self, method: str, path: str) -> tuple[bytes, dict[str, str]]:
        for name, (methods, pattern) in ROUTES.items():
            found = re.fullmatch(pattern, path)
            if found and method in methods.split():
                self.hub.calls[name] += 1
                if name in self.hub.broken:
                    raise ErrorResponse(self.hub.broken[name], "out of order")
                answer = getattr(self, name)(**found.groupdict())
                return answer if isinstance(answer, tuple) else (json.dumps(answer).encode(), {})
        raise ErrorResponse(404, f"no such address: {method} {path}")

    def _may(self, *, write: bool = True) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in (WRITER, READER):
            raise ErrorResponse(401, "Invalid credentials in Authorization header")
        if write and token != WRITER:
            raise ErrorResponse(403, "You don't have the rights")

    def _repository(self, name: str) -> Repository:
        if name not in self.hub.repositories:
            raise ErrorResponse(404, "Repository not found")
        return self.hub.repositories[name]

    # one method per route; the names are those of ROUTES

    def create(self) -> dict:
        self._may()
        asked = json.loads(self.body)
        assert asked["type"] == "dataset"
        name = f"{asked['organization']}/{asked['name']}"
        url = f"{self.hub.url}/datasets/{name}"
        if name in self.hub.repositories:
            raise ErrorResponse(409, "You already created this dataset repo", url=url)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.repositories[name] = Repository(private)
        return {"url": url}

    def validate(self) -> dict:
        header = re.match(r"---\n(.*?)\n---\n", json.loads(self.body)["content"], re.DOTALL)
        if not header:
            return {"warnings": [{"message": "empty or missing yaml metadata in repo card"}]}
        fields = yaml.safe_load(header[1])
        licenses = fields.get("license", [])
        for one in [licenses] if isinstance(licenses, str) else licenses:
            if one not in {*HUB_LICENSES, "other"}:
                raise ErrorResponse(
                    400, "invalid card", errors=[{"message": f'"license" must be one of ..., not {one}'}]
                )
        return {"fields": fields}

    def info(self, name: str, revision: str | None = None) -> dict:
        self._may(write=False)
        repository, revision = self._repository(name), revision or "main"
        files = [{"rfilename": path} for path in repository.files(revision)]
        return {"id": name, "sha": repository.sha(revision), "private": repository.private, "siblings": files}

    def tree(self, name: str, revision: str) -> list:
        files = self._repository(name).files(revision)
        return [{"type": "file", "path": path, "size": len(data), "oid": "0"} for path, data in files.items()]

    def branch(self, name: str, branch: str) -> dict:
        self._may()
        repository = self._repository(name)
        if branch in repository.branches:
            raise ErrorResponse(409, "branch already exists")
        repository.branches[branch] = dict(repository.branches["main"])
        return {}

    def preupload(self, name: str, revision: str) -> dict:
        self._may()
        assert revision in self._repository(name).branches
        files = [file["path"] for file in json.loads(self.body)["files"]]
        modes = {path: "lfs" if path.endswith(LFS) else "regular" for path in files}
        return {"files": [{"path": path, "uploadMode": modes[path], "shouldIgnore": False} for path in files]}

    def batch(self, name: str) -> dict:
        self._may()
        asked, objects = json.loads(self.body), []
        assert asked["operation"] == "upload" and "basic" in asked["transfers"]
        for one in asked["objects"]:
            where = {"upload": {"href": f"{self.hub.url}/objects/{one['oid']}"},
                     "verify": {"href": f"{self.hub.url}/verify/{one['oid']}"}}  # fmt: skip
            objects.append(one if one["oid"] in self.hub.objects else {**one, "actions": where})
        return {"transfer": "basic", "objects": objects}

    def store(self, oid: str) -> dict:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise ErrorResponse(400, "digest does not match")
        self.hub.objects[oid] = self.body
        return {}

    def verify(self, oid: str) -> dict:
        assert len(self.hub.objects[oid]) == json.loads(self.body)["size"]
        return {}

    def commit(self, name: str, revision: str) -> dict:
        self._may()
        repository, touched = self._repository(name), []
        files = repository.branches[revision]
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
                repository.lfs.add(value["path"])
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            else:
                assert line["key"] == "header", line
                continue
            touched.append(value["path"])
        sha = repository.sha(revision)
        repository.commits[sha] = touched
        return {"success": True, "commitOid": sha, "commitUrl": f"{self.hub.url}/datasets/{name}/commit/{sha}"}

    def resolve(self, name: str, revision: str, file: str) -> tuple[bytes, dict[str, str]]:
        self._may(write=False)
        repository = self._repository(name)
        data = repository.files(revision)[file]
        return data, {"X-Repo-Commit": repository.sha(revision), "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}


ROUTES = {
    "create": ("POST", "/api/repos/create"),
    "validate": ("POST", "/api/validate-yaml"),
    "info": ("GET", rf"/api/datasets/{REPOSITORY}(/revision/(?P<revision>.+))?"),
    "tree": ("GET", rf"/api/datasets/{REPOSITORY}/tree/(?P<revision>[^/]+)"),
    "branch": ("POST", rf"/api/datasets/{REPOSITORY}/branch/(?P<branch>.+)"),
    "preupload": ("POST", rf"/api/datasets/{REPOSITORY}/preupload/(?P<revision>[^/]+)"),
    "batch": ("POST", rf"/datasets/{REPOSITORY}\.git/info/lfs/objects/batch"),
    "store": ("PUT", r"/objects/(?P<oid>\w+)"),
    "verify": ("POST", r"/verify/(?P<oid>\w+)"),
    "commit": ("POST", rf"/api/datasets/{REPOSITORY}/commit/(?P<revision>[^/]+)"),
    "resolve": ("GET HEAD", rf"/datasets/{REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<file>.+)"),
}
