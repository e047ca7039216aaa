"""The audit of the locked packages, against a database of this test's own."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.advisories import main

_ADVISORY = {
    "id": "PYSEC-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "schema_version": "1.7.0",
    "summary": "It is open.",
    "affected": [
        {
            "package": {"name": "holey", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2.4"}]}],
        }
    ],
}


class _Database(BaseHTTPRequestHandler):
    """Knows one vulnerable package; of a package ``odd`` it says what is not JSON."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name = asked["package"]["name"]
        answer = json.dumps({"vulns": [_ADVISORY]} if name == "holey" else {}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>" if name == "odd" else answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Database) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


def _lock(directory: Path, *pins: str) -> str:
    file = directory / "requirements.lock"
    file.write_text("\n".join(pins) + "\n", encoding="utf-8")
    return str(file)


def test_packages_without_a_known_vulnerability_pass(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = _lock(tmp_path, "sound==1.0", "# a comment", "other==2.0 ; sys_platform == 'none'")
    assert main(["--lock", lock, "--service", database]) == 0
    assert "1 packages audited, 0 vulnerable" in capsys.readouterr().out


def test_a_known_vulnerability_fails_and_is_named(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = _lock(tmp_path, "sound==1.0", "holey==1.2.3")
    assert main(["--lock", lock, "--service", database]) == 1
    assert "holey 1.2.3: PYSEC-2026-1, fixed in 1.2.4" in capsys.readouterr().out


def test_a_service_that_cannot_be_reached_is_said_plainly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    lock = _lock(tmp_path, "holey==1.2.3")
    assert main(["--lock", lock, "--service", "http://127.0.0.1:9/v1/query"]) == 0
    assert capsys.readouterr().out.startswith("not audited: the advisory service cannot be reached")


@pytest.mark.parametrize("pin", ["odd==1.0", "not a requirement", "unpinned"])
def test_what_cannot_be_audited_fails(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], pin: str
) -> None:
    lock = _lock(tmp_path, "sound==1.0", pin)
    assert main(["--lock", lock, "--service", database]) == 1
    assert "could not be audited" in capsys.readouterr().out
