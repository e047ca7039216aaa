"""PEM files of certificates, good and bad ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

KEY_PASSWORD = "battery staple"
_LOOPBACK = ("127.0.0.1", "localhost")


class Certificates:
    """PEM files of an authority and of what it issued, in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._authority = trustme.CA()
        self._stranger = trustme.CA()
        now = datetime.now(UTC)
        before, expired = now - timedelta(days=2), now - timedelta(days=1)
        self.authority = self._write("ca", self._authority.cert_pem.bytes())
        self.other_authority = self._write("other-ca", self._stranger.cert_pem.bytes())
        self.server = self._pair("server", self._authority.issue_cert(*_LOOPBACK))
        self.expired = self._pair(
            "expired", self._authority.issue_cert(*_LOOPBACK, not_before=before, not_after=expired)
        )
        self.other_host = self._pair("other-host", self._authority.issue_cert("kafka.example.org"))
        self.client = self.issue("client")
        self.stranger = self._pair("stranger", self._stranger.issue_cert("stranger.example.org"))
        self.expired_client = self._pair(
            "expired-client",
            self._authority.issue_cert("client.example.org", not_before=before, not_after=expired),
        )

    def issue(self, name: str) -> Path:
        """A client certificate and its key, for the principal ``User:CN=name,...``."""
        return self._pair(name, self._authority.issue_cert(f"{name}.example.org", common_name=name))

    def encrypted(self, pair: Path) -> Path:
        """The same pair, its key encrypted with KEY_PASSWORD."""
        text = pair.read_bytes()
        key = serialization.load_pem_private_key(text, None).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(KEY_PASSWORD.encode()),
        )
        return self._write(f"{pair.stem}-encrypted", key + text[text.index(b"-----BEGIN CERT") :])

    def _pair(self, name: str, leaf: trustme.LeafCert) -> Path:
        # Kafka reads PKCS 8 only.
        key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return self._write(name, key + b"".join(blob.bytes() for blob in leaf.cert_chain_pems))

    def _write(self, name: str, content: bytes) -> Path:
        file = self._directory / f"{name}.pem"
        file.write_bytes(content)
        return file
