"""A Hub on this machine: it serves the files of one folder as the dataset owner/name, at one commit, over the Hub's own API."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40


def serve(folder: Path) -> ThreadingHTTPServer:
    """A server on a free port, not started yet."""
    return ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"folder": folder}))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        before, _, rest = path.partition(COMMIT)
        if not before.endswith(("/revision/", "/tree/", "/resolve/")) or COMMIT not in path:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif before.endswith("/revision/"):
            files = [{"rfilename": name} for name in self._files()]
            self._json({"id": "owner/name", "sha": COMMIT, "siblings": files})
        elif before.endswith("/tree/"):
            self._json(self._tree(rest.strip("/")))
        else:
            self._file(rest.strip("/"))

    do_HEAD = do_GET

    def _files(self) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())

    def _tree(self, under: str) -> list[dict[str, Any]]:
        folder = self.folder / under
        made = []
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            name = path.relative_to(self.folder).as_posix()
            kind = "directory" if path.is_dir() else "file"
            made.append(
                {"type": kind, "path": name, "oid": _hash(name.encode()), "size": 0 if path.is_dir() else path.stat().st_size}
            )
        return made

    def _file(self, name: str) -> None:
        if name not in self._files():
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        data = (self.folder / name).read_bytes()
        headers = {"ETag": f'"{_hash(data)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if wanted := self.headers.get("Range"):
            first, last = (int(part or len(data)) for part in wanted.removeprefix("bytes=").split("-"))
            part = data[first : last + 1]
            place = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
            return self._send(206, part, headers | {"Content-Range": place})
        return self._send(200, data, headers)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """No output: the test reads the process's."""


def _hash(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
