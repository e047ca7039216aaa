"""A bucket on this machine: as much of S3's protocol as listing and reading need."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_TIME = 1_700_000_000


class Bucket:
    """Objects by key. ``broken`` answers every request with 503."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.broken = False
        self.address = ""

    def listing(self, prefix: str, delimiter: str) -> bytes:
        folders, contents = set(), []
        for key, data in sorted(self.objects.items()):
            if not key.startswith(prefix):
                continue
            folder, found, _ = (
                key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            )
            if found:
                folders.add(f"{prefix}{folder}{delimiter}")
            else:
                contents.append(
                    f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size>"
                    f"<LastModified>2023-11-14T22:13:20.000Z</LastModified>"
                    f'<ETag>"{_etag(data)}"</ETag></Contents>'
                )
        prefixes = "".join(
            f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in folders
        )
        return (
            '<?xml version="1.0"?><ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>'
            f"<KeyCount>{len(contents)}</KeyCount>{''.join(contents)}{prefixes}</ListBucketResult>"
        ).encode()


def _etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@contextmanager
def bucket() -> Iterator[Bucket]:
    """Serve the bucket ``b`` while the block runs."""
    made = Bucket()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            name, _, key = unquote(url.path).lstrip("/").partition("/")
            query = {one: values[0] for one, values in parse_qs(url.query).items()}
            if made.broken:
                return self._send(503, b"<Error><Code>SlowDown</Code></Error>")
            if name != "b":
                return self._send(404, b"<Error><Code>NoSuchBucket</Code></Error>")
            if not key:
                return self._send(
                    200, made.listing(query.get("prefix", ""), query.get("delimiter", ""))
                )
            data = made.objects.get(key)
            if data is None:
                return self._send(404, b"<Error><Code>NoSuchKey</Code></Error>")
            headers = {"ETag": f'"{_etag(data)}"', "Last-Modified": formatdate(_TIME, usegmt=True)}
            wanted = self.headers.get("Range")
            if wanted:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                end = min(int(last or len(data)), len(data) - 1)
                headers["Content-Range"] = f"bytes {first}-{end}/{len(data)}"
                return self._send(206, data[int(first) : end + 1], headers)
            return self._send(200, data, headers)

        def do_HEAD(self) -> None:
            self.do_GET()

        def _send(self, status: int, body: bytes, headers: "dict[str, str] | None" = None) -> None:
            self.send_response(status)
            for header, value in (headers or {}).items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.address = f"http://127.0.0.1:{server.server_port}"
        yield made
        server.shutdown()
