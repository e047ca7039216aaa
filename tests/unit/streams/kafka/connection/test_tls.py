"""The TLS context: which file is wrong, and files that change while it is in use."""

import os
import re
import shutil
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from schemas.errors import SettingsError
from streams.kafka.connection.tls import TlsContext, TlsFiles
from tests.certificates import KEY_PASSWORD, Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def absent(tmp_path: Path) -> Path:
    return tmp_path / "absent.pem"


def test_a_key_may_be_encrypted(certificates: Certificates) -> None:
    pair = certificates.encrypted(certificates.client)
    TlsContext.of(TlsFiles(certificates.authority, pair, password=KEY_PASSWORD))
    # Without the password, OpenSSL would ask for it on the terminal.
    with pytest.raises(
        SettingsError, match=r"is encrypted: give its password in kafka\.ssl_password"
    ):
        TlsContext.of(TlsFiles(certificates.authority, pair))
    with pytest.raises(SettingsError, match=r"kafka\.ssl_password is not its password"):
        TlsContext.of(TlsFiles(certificates.authority, pair, password="another"))


@pytest.mark.parametrize("setting", ["ssl_cafile", "ssl_certfile", "ssl_keyfile"])
def test_a_file_that_is_not_there_is_named(
    setting: str, certificates: Certificates, absent: Path
) -> None:
    files: dict[str, Any] = {"certfile": certificates.client, setting.removeprefix("ssl_"): absent}
    with pytest.raises(SettingsError, match=f"kafka.{setting}: {absent} cannot be read: No such"):
        TlsContext.of(TlsFiles(**files))


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(certificates: Certificates, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    shutil.copy(certificates.client, key)
    key.chmod(0)
    with pytest.raises(SettingsError, match=f"kafka.ssl_keyfile: {key} cannot be read: Permission"):
        TlsContext.of(TlsFiles(certfile=certificates.client, keyfile=key))


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (lambda c, text: TlsFiles(cafile=text), r"ssl_cafile: .* holds no certificates in PEM"),
        (lambda c, text: TlsFiles(certfile=c.authority), "ssl_certfile: .* holds no private key"),
        (lambda c, text: TlsFiles(certfile=c.client, keyfile=text), "ssl_keyfile: .* no private"),
        (lambda c, text: TlsFiles(certfile=text, keyfile=c.client), "ssl_certfile: .* no certific"),
        (
            lambda c, text: TlsFiles(certfile=c.client, keyfile=c.stranger),
            "ssl_keyfile: .* does not hold the key of the certificate in",
        ),
    ],
)
def test_a_file_that_holds_something_else_is_named(
    files: Callable[[Certificates, Path], TlsFiles],
    problem: str,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate", encoding="utf-8")
    with pytest.raises(SettingsError, match=problem):
        TlsContext.of(files(certificates, text))


def test_files_that_are_replaced_count_from_the_next_connection(
    certificates: Certificates, tmp_path: Path
) -> None:
    own = tmp_path / "client.pem"
    shutil.copy(certificates.issue("first"), own)
    context = TlsContext.of(TlsFiles(certificates.authority, own))
    assert _presented(context, certificates) == "first"

    own.write_text("half of a", encoding="utf-8")
    assert _presented(context, certificates) == "first", "what cannot be used is not taken"
    shutil.copy(certificates.issue("second"), own)
    assert _presented(context, certificates) == "second"


def _presented(context: ssl.SSLContext, certificates: Certificates) -> str:
    """The common name of the certificate that a server gets from a client with ``context``."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.authority)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(certificates.server)
    got: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        with listening.accept()[0] as plain, server.wrap_socket(plain, server_side=True) as peer:
            got.append(peer.getpeercert(binary_form=True) or b"")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        with (
            socket.create_connection(listening.getsockname()) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as peer,
        ):
            peer.recv(1)
        thread.join()
    subject = x509.load_der_x509_certificate(got[0]).subject.rfc4514_string()
    found = re.search(r"CN=(\w+)", subject)
    assert found
    return found[1]
