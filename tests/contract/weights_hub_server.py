"""Both hubs' HTTP on loopback, as far as their clients ask for weights, with faults on demand."""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
OTHER_COMMIT = "beef" + "1" * 36


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Repo:
    """Files of one repository by commit; ``branches`` lead to commits."""

    commits: dict[str, dict[str, bytes]]
    branches: dict[str, str]
    gated: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    """What the hub says of it beside its files: downloads, tags, config."""


@dataclass
class FakeHub:
    """A server; knobs are read at every request. Files named ``*.safetensors`` and ``*.gguf`` are LFS."""

    repos: dict[str, Repo] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    """Of a path: after how many bytes the next answers break off."""
    holds: dict[str, int] = field(default_factory=dict)
    """Of a path: after how many bytes the answers pause until ``release``."""
    corrupt: set[str] = field(default_factory=set)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """Of a path: the next answers' statuses instead of the file."""
    silent: bool = False
    """Take requests and never answer."""
    ignores_ranges: bool = False
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """(method, path, Range) of file requests."""
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        hub = self

        class Handler(_Handler):
            state = hub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def add(self, name: str, files: dict[str, bytes], *, commit: str = COMMIT, gated: bool = False) -> None:
        repo = self.repos.setdefault(name, Repo({}, {}, gated))
        repo.commits[commit] = files
        repo.branches |= {"main": commit, "master": commit}

    def is_lfs(self, path: str) -> bool:
        return path.endswith((".safetensors", ".gguf", ".bin"))

    def release(self) -> None:
        """Let the answers that pause go on."""
        self.holds.clear()

    def times(self, path: str) -> int:
        """How often the file's bytes were asked for."""
        return sum(method == "GET" and asked == path for method, asked, _ in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: FakeHub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub = self.state
        if hub.silent:
            hub.over.wait(60)
            return
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        hub.headers.append({name.lower(): value for name, value in self.headers.items()})
        hub.paths.append(self.path)
        try:
            if path.startswith("/api/v1/models/"):
                self.modelscope(path.removeprefix("/api/v1/models/"), query)
            elif path == "/api/models":
                self.listing(query)
            elif path.startswith("/api/models/"):
                self.describe(path.removeprefix("/api/models/"))
            elif path.startswith("/cdn/"):
                digest, _, name = path.removeprefix("/cdn/").partition("/")
                found = {sha256(body): body for repo in hub.repos.values()
                         for files in repo.commits.values() for body in files.values()}  # fmt: skip
                self.file(name, found[digest])
            elif "/resolve/" in path:
                self.resolve(path.removeprefix("/"))
            else:
                self.refuse(404, "NotFound")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value: Any, status: int = 200) -> None:
        self.send(status, json.dumps(value).encode(), {"content-type": "application/json"})

    def refuse(self, status: int, code: str, message: str = "refused") -> None:
        self.send(status, b"", {"X-Error-Code": code, "X-Error-Message": message})

    # HuggingFace
    def listing(self, query: dict[str, list[str]]) -> None:
        words = query.get("search", [""])[0].lower().split()
        owner = query.get("author", [""])[0]
        found = [
            {"id": name, **repo.facts}
            for name, repo in self.state.repos.items()
            if all(word in name.lower() for word in words) and name.startswith(owner)
        ]
        found.sort(key=lambda row: -row.get(query["sort"][0], 0))
        self.json(found[: int(query["limit"][0])])

    def describe(self, rest: str) -> None:
        name, _, revision = rest.partition("/revision/")
        repo = self.state.repos.get(name)
        if repo is None:
            self.refuse(401, "RepoNotFound", "Repository not found")
            return
        commit = repo.branches.get(revision or "main", revision)
        if commit not in repo.commits:
            self.refuse(404, "RevisionNotFound", "Invalid rev id")
            return
        siblings: list[dict[str, Any]] = []
        for path, content in repo.commits[commit].items():
            entry: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": git_sha1(content)}
            if self.state.is_lfs(path):
                entry["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        self.json(
            {"id": name, "sha": commit, "siblings": siblings, "gated": repo.gated, "tags": [], **repo.facts}
        )

    def resolve(self, rest: str) -> None:
        name, _, tail = rest.partition("/resolve/")
        revision, _, path = tail.partition("/")
        repo = self.state.repos[name]
        if repo.gated and not self.headers.get("authorization"):
            self.refuse(401, "GatedRepo", "Access to model is restricted")
            return
        if repo.gated and self.headers["authorization"] != "Bearer let-me-in":
            self.refuse(403, "GatedRepo", "You are not in the authorized list")
            return
        commit = repo.branches.get(revision, revision)
        content = repo.commits[commit].get(path)
        if content is None:
            self.refuse(404, "EntryNotFound")
            return
        if self.state.is_lfs(path):
            location = f"/cdn/{sha256(content)}/{path}"
            linked = {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{sha256(content)}"'}
            # Another host name: whether the token travels there is seen in the headers.
            there = self.state.url.replace("127.0.0.1", "localhost") + location
            self.send(302, b"", {"Location": there, "X-Repo-Commit": commit, **linked})
            return
        self.file(path, content, {"ETag": f'"{git_sha1(content)}"', "X-Repo-Commit": commit})

    # ModelScope
    def modelscope(self, rest: str, query: dict[str, list[str]]) -> None:
        owner, name, what = rest.split("/", 2)
        repo = self.state.repos.get(f"{owner}/{name}")
        revision = query.get("Revision", ["master"])[0]
        if repo is None or (commit := repo.branches.get(revision, revision)) not in repo.commits:
            self.json({"Code": 10010205001, "Success": False, "Message": "not found", "Data": None}, 404)
            return
        if repo.gated and self.headers.get("authorization") != "Bearer let-me-in":
            self.json({"Code": 403, "Success": False, "Message": "no access", "Data": None}, 403)
            return
        files = repo.commits[commit]
        if what == "repo/files":
            rows = [
                {"Name": path.rpartition("/")[2], "Path": path, "Type": "blob", "Size": len(content),
                 "Sha256": sha256(content), "Revision": commit, "CommittedDate": 1_700_000_000}
                for path, content in files.items()
            ]  # fmt: skip
            self.json({"Code": 200, "Success": True, "Data": {"Files": rows}})
            return
        path = query["FilePath"][0]
        self.file(path, files[path])

    def file(self, path: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        hub = self.state
        wanted = self.headers.get("range")
        hub.asked.append((self.command, path, wanted))
        if hub.statuses.get(path):
            self.refuse(hub.statuses[path].pop(0), "")
            return
        body = bytes([content[0] ^ 1]) + content[1:] if path in hub.corrupt else content
        status, extra = 200, {"Accept-Ranges": "bytes", **(headers or {})}
        if wanted and not hub.ignores_ranges:
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            status, extra["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
            body = body[start:]
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **extra}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = hub.cuts[path].pop(0) if hub.cuts.get(path) else None
        self.stream(path, body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True

    def stream(self, path: str, body: bytes) -> None:
        hub = self.state
        first = min(hub.holds.get(path, len(body)), len(body))
        self.wfile.write(body[:first])
        if first < len(body):
            self.wfile.flush()
            while path in hub.holds and not hub.over.wait(0.02):
                continue
            self.wfile.write(body[first:])
