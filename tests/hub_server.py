"""A stand-in of the Hugging Face hub's HTTP interface, for pushing and reading data sets.

It has repositories of data sets with one branch, and storage by the hash of the content (Git LFS's
"basic" transfer). What it is asked is as ``huggingface_hub`` 0.36 asks it. A fault happens to one
request: it is answered with an error or not at all, and a test can kill the client meanwhile.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Repository:
    """A data set."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0

    @property
    def sha(self) -> str:
        return hashlib.sha1(str(self.commits).encode()).hexdigest()


@dataclass
class Fault:
    """What happens to one request."""

    part: str
    """Of the path of the request, such as ``storage``."""
    then: int | Literal["close", "serve"]
    """A status that is answered, or whether the connection is closed or the request served."""
    skip: int = 0
    """How many such requests are served before."""
    done: bool = False
    """Whether the hub has done what it was asked; otherwise it has read half of the request."""
    holds: bool = False
    """Whether it happens only after ``resume``."""
    reached: threading.Event = field(default_factory=threading.Event)
    resume: threading.Event = field(default_factory=threading.Event)


@dataclass
class Hub:
    """What the stand-in holds, and what it was asked."""

    address: str = ""
    token: str = "hf_secret"
    repositories: dict[str, Repository] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)
    """Hashes of what was sent, in order."""
    fault: Fault | None = None
    """What happens next; None again when it has happened."""

    def fault_of(self, path: str) -> Fault | None:
        """What happens to this request."""
        fault = self.fault
        if fault is None or fault.part not in path:
            return None
        if fault.skip:
            fault.skip -= 1
            return None
        self.fault = None
        return fault


@contextmanager
def hub_server() -> Iterator[Hub]:
    """A hub on a free port of this machine."""
    hub = Hub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    _is_mute = False

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        self._serve(self._post)

    def do_PUT(self) -> None:
        self._serve(self._put)

    def _serve(self, act: Callable[[bytes], None]) -> None:
        length = int(self.headers.get("content-length", 0))
        fault = self.hub.fault_of(self.path)
        if fault is None:
            return act(self.rfile.read(length))
        body = self.rfile.read(length if fault.done else length // 2)
        if fault.done:
            self._is_mute = True
            act(body)
            self._is_mute = False
        fault.reached.set()
        if fault.holds:
            assert fault.resume.wait(120)
        if fault.then == "close":
            self.close_connection = True
            return None
        body += self.rfile.read(length - len(body))
        if fault.then == "serve":
            return act(body)
        return self._error(fault.then, "The hub is out of order.")

    def _post(self, body: bytes) -> None:
        path = unquote(urlsplit(self.path).path)
        if self.headers.get("authorization") != f"Bearer {self.hub.token}":
            return self._error(401, "Invalid username or password.")
        if path == "/api/validate-yaml":
            return self._answer({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        name = "/".join(path.split("/")[3:5])
        if name not in self.hub.repositories:
            return self._error(404, "Repository not found", code="RepoNotFound")
        if "/preupload/" in path:
            there = {entry["path"]: entry for entry in self._tree(self.hub.repositories[name])}
            named = [file["path"] for file in json.loads(body)["files"]]
            return self._answer({"files": [_mode(file, there.get(file)) for file in named]})
        if "/paths-info/" in path:
            asked = parse_qs(body.decode())["paths"]
            every = self._tree(self.hub.repositories[name])
            return self._answer([entry for entry in every if entry["path"] in asked])
        if "/commit/" in path:
            return self._commit(name, [json.loads(line) for line in body.splitlines()])
        return self._error(404, f"{path} is not part of the stand-in")

    def _put(self, body: bytes) -> None:
        digest = hashlib.sha256(body).hexdigest()
        if digest != self.path.rpartition("/")[2]:
            return self._error(400, "The content has another hash.")
        self.hub.uploads.append(digest)
        self.hub.stored[digest] = body
        return self._answer({})

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path == "/api/whoami-v2":
            return self._answer({"name": "ada", "type": "user", "orgs": []})
        if path.startswith("/api/datasets/"):
            name = "/".join(path.split("/")[3:5])
            found = self.hub.repositories.get(name)
            if found is None:
                return self._error(404, "Repository not found", code="RepoNotFound")
            if "/tree/" in path:
                under = "/".join(path.split("/")[7:])
                return self._answer(
                    _listed(self._tree(found), under, "recursive=True" in self.path)
                )
            siblings = [{"rfilename": file} for file in sorted(found.files)]
            about = {"id": name, "sha": found.sha, "private": found.private, "siblings": siblings}
            return self._answer(about | {"tags": [], "downloads": 0})
        return self._file(path)

    do_HEAD = do_GET  # noqa: N815 - the name that the server calls

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        url = f"{self.hub.address}/datasets/{name}"
        if name in self.hub.repositories:
            return self._answer({"error": "You already created this dataset repo", "url": url}, 409)
        self.hub.repositories[name] = Repository(asked.get("private", False))
        return self._answer({"url": url, "name": name})

    def _batch(self, asked: dict[str, Any]) -> None:
        found = []
        for each in asked["objects"]:
            answer: dict[str, Any] = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in self.hub.stored:
                href = f"{self.hub.address}/storage/{each['oid']}"
                answer["actions"] = {"upload": {"href": href, "header": {}}}
            found.append(answer)
        self._answer({"transfer": "basic", "objects": found})

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        repository = self.hub.repositories[name]
        files = dict(repository.files)
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header":
                    if value.get("parentCommit", repository.sha) != repository.sha:
                        return self._error(412, "A commit has happened since.")
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.stored[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        repository.files = files
        repository.commits += 1
        url = f"{self.hub.address}/datasets/{name}/commit/{repository.sha}"
        return self._answer({"commitUrl": url, "commitOid": repository.sha, "hookOutput": ""})

    def _tree(self, repository: Repository) -> list[dict[str, Any]]:
        """Folders and files."""
        folders = {path.rpartition("/")[0] for path in repository.files} - {""}
        found: list[dict[str, Any]] = [
            {"type": "directory", "path": path, "size": 0, "oid": _git_hash(path.encode())}
            for path in sorted(folders)
        ]
        for path, content in sorted(repository.files.items()):
            entry = {"type": "file", "path": path, "size": len(content), "oid": _git_hash(content)}
            if path.endswith(".parquet"):
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
            found.append(entry)
        return found

    def _file(self, path: str) -> None:
        parts = path.split("/")  # /datasets/ORG/NAME/resolve/REVISION/FILE
        repository = self.hub.repositories.get("/".join(parts[2:4]))
        content = repository.files.get("/".join(parts[6:])) if repository else None
        if repository is None or content is None:
            return self._error(404, "Entry not found", code="EntryNotFound")
        etag = hashlib.sha1(content).hexdigest()
        headers = {"etag": f'"{etag}"', "x-repo-commit": repository.sha, "accept-ranges": "bytes"}
        first, last = 0, len(content) - 1
        asked = self.headers.get("range")
        if asked:
            start, _, end = asked.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(end), last) if end else last
            headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
        return self._send(206 if asked else 200, content[first : last + 1], headers)

    def _answer(self, value: object, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"content-type": "application/json"})

    def _error(self, status: int, message: str, code: str = "") -> None:
        named = {"x-error-code": code} if code else {}
        self._send(status, json.dumps({"error": message}).encode(), named)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        if self._is_mute:
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _mode(path: str, entry: dict[str, Any] | None) -> dict[str, Any]:
    """How a file is to be sent, and the hash of what has its path now."""
    found: dict[str, Any] = {"path": path, "shouldIgnore": False}
    found["uploadMode"] = "lfs" if path.endswith(".parquet") else "regular"
    if entry is not None:
        found["oid"] = entry.get("lfs", entry)["oid"]
    return found


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _listed(tree: list[dict[str, Any]], under: str, deep: bool) -> list[dict[str, Any]]:
    """The entries in a folder, and with ``deep`` in those below."""
    start = f"{under}/" if under else ""
    inside = [entry for entry in tree if entry["path"].startswith(start)]
    return [entry for entry in inside if deep or "/" not in entry["path"].removeprefix(start)]
