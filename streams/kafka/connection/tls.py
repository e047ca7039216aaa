"""The TLS context of a Kafka client."""

import logging
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.errors import SettingsError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. Each is None where it is not given."""

    cafile: Path | None = None
    """Certificates of the trusted authorities. Without it, those of the system are trusted."""
    certfile: Path | None = None
    """The client's certificate, and its chain."""
    keyfile: Path | None = None
    """The key of the certificate, where it is not in the same file."""
    password: str | None = None
    """The password of an encrypted key."""

    def load_into(self, context: ssl.SSLContext) -> None:
        """Raises SettingsError, which names the file and the setting."""
        for setting, file in self._named():
            try:
                file.read_bytes()
            except OSError as error:
                raise SettingsError(
                    f"kafka.{setting}: {file} cannot be read: {error.strerror}"
                ) from error
        if self.cafile is not None:
            try:
                context.load_verify_locations(self.cafile)
            except ssl.SSLError as error:
                raise SettingsError(
                    f"kafka.ssl_cafile: {self.cafile} holds no certificates in PEM format"
                ) from error
        if self.certfile is not None:
            self._load_pair(context, self.certfile)

    def changes(self) -> tuple[tuple[int, int], ...]:
        """Differs after a file was changed or replaced. Raises OSError."""
        found = (file.stat() for _, file in self._named())
        return tuple((status.st_mtime_ns, status.st_ino) for status in found)

    def _named(self) -> Iterator[tuple[str, Path]]:
        for name in ("cafile", "certfile", "keyfile"):
            if (file := getattr(self, name)) is not None:
                yield f"ssl_{name}", file

    def _load_pair(self, context: ssl.SSLContext, certfile: Path) -> None:
        key = self.keyfile or certfile
        setting = "ssl_keyfile" if self.keyfile else "ssl_certfile"
        prompted = False

        def password() -> str:
            # Without this, OpenSSL reads a password from the terminal.
            nonlocal prompted
            prompted = True
            return self.password or ""

        try:
            context.load_cert_chain(certfile, self.keyfile, password)
        except ssl.SSLError as error:
            if prompted and self.password is None:
                problem = "is encrypted: give its password in kafka.ssl_password"
            elif prompted:
                problem = "cannot be decrypted: kafka.ssl_password is not its password"
            elif error.reason == "KEY_VALUES_MISMATCH":
                problem = f"does not hold the key of the certificate in {certfile}"
            elif b"PRIVATE KEY" not in key.read_bytes():
                problem = "holds no private key in PEM format" + (
                    "" if self.keyfile else ": name the file that does in kafka.ssl_keyfile"
                )
            else:
                setting, key = "ssl_certfile", certfile
                problem = f"holds no certificate in PEM format with a key that can be used: {error}"
            raise SettingsError(f"kafka.{setting}: {key} {problem}") from error


class TlsContext(ssl.SSLContext):
    """A client's context. It verifies the broker's certificate and host name.

    Files that were replaced since the last connection are read again before the next one, because
    certificates are renewed while a worker runs. Where the new ones cannot be used, for example
    because only one of two files has been replaced yet, the previous ones are kept, with a warning.
    """

    files: TlsFiles
    _loaded: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, files: TlsFiles) -> "TlsContext":
        """Read the files. Raises SettingsError for one that cannot be used."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if files.cafile is None:
            context.load_default_certs()
        files.load_into(context)
        context.files, context._loaded = files, files.changes()
        return context

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """See SSLContext. kafka-python connects by it."""
        self._read_again()
        return super().wrap_socket(*arguments, **options)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """See SSLContext. asyncio and uvloop connect by it."""
        self._read_again()
        return super().wrap_bio(*arguments, **options)

    def _read_again(self) -> None:
        try:
            changes = self.files.changes()
            if changes != self._loaded:
                # First into another context: a failure may leave half of a pair behind.
                self.files.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
                self.files.load_into(self)
                self._loaded = changes
        except (OSError, SettingsError) as error:
            log.warning("the previous certificates are kept: %s", error)
