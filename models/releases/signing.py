"""Signatures of releases: ed25519 over the bytes of the manifest.

The manifest holds the SHA-256 of every file, so its signature covers the release. The signature is
a file of one line, ``ed25519 PUBLIC_KEY SIGNATURE``, both in base64. What is signed starts with
``DOMAIN``, so that a signature that the key made for another purpose does not count for a release.
"""

import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.errors import ModelError, SettingsError

DOMAIN = b"backstream release manifest 1\n"
SIGNATURE = "manifest.sig"
"""Name of the signature's file in a release directory."""
LARGEST_SIGNATURE = 1024
"""Most bytes of that file."""
_ALGORITHM = "ed25519"
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64
_LARGEST_KEY_FILE = 64 * 1024


class SigningKey:
    """A private key, from a file that only its owner can read."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Use ``load`` or ``generate``."""
        self._key = key
        self.public = _as_text(key.public_key())
        """The public key in base64, as ``releases.trusted_keys`` takes it."""

    @classmethod
    def load(cls, file: Path) -> "SigningKey":
        """Read an unencrypted PEM file.

        Raises SettingsError where it cannot be read, others can read it, or it holds another kind
        of key.
        """
        try:
            handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(handle, "rb") as opened:
                status = os.fstat(handle)
                if not stat.S_ISREG(status.st_mode):
                    raise SettingsError(f"the signing key {file} is not a regular file")
                if status.st_mode & 0o077:
                    raise SettingsError(
                        f"the signing key {file} can be used by other users (mode "
                        f"{stat.S_IMODE(status.st_mode):04o}): run `chmod 600 {file}`"
                    )
                data = opened.read(_LARGEST_KEY_FILE)
        except OSError as error:
            raise SettingsError(
                f"the signing key {file} cannot be read: {error.strerror or error}"
            ) from error
        try:
            key = serialization.load_pem_private_key(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SettingsError(
                f"the signing key {file} is not an unencrypted private key in PEM: make one with "
                "`backstream releases keygen`"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingsError(f"the signing key {file} is not an ed25519 key")
        return cls(key)

    @classmethod
    def generate(cls, file: Path) -> "SigningKey":
        """Make a key and write it to a new file with mode 0600.

        Raises SettingsError where the file exists or cannot be written.
        """
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(handle, "wb") as opened:
                opened.write(pem)
                opened.flush()
                os.fsync(handle)
        except FileExistsError as error:
            raise SettingsError(f"{file} exists: a key is never overwritten") from error
        except OSError as error:
            raise SettingsError(f"{file} cannot be written: {error.strerror or error}") from error
        return cls(key)

    def sign(self, manifest: bytes) -> bytes:
        """The content of the signature's file for the bytes of a manifest."""
        signature = b64encode(self._key.sign(DOMAIN + manifest)).decode()
        return f"{_ALGORITHM} {self.public} {signature}\n".encode()


def signer_of(manifest: bytes, signature: bytes) -> str:
    """The public key, in base64, that a signature of these bytes was made with.

    Anyone can make a key: whether it is trusted is another question. Raises ModelError where the
    signature is malformed or of other bytes.
    """
    try:
        algorithm, public, signed = signature.decode("ascii").split()
        if algorithm != _ALGORITHM:
            raise ValueError(algorithm)
        key = _public_key(public)
        signed_bytes = b64decode(signed, validate=True)
        if len(signed_bytes) != _SIGNATURE_BYTES:
            raise ValueError(f"{len(signed_bytes)} bytes")
    except ValueError as error:
        raise ModelError(f"its {SIGNATURE} is not a signature of this version") from error
    try:
        key.verify(signed_bytes, DOMAIN + manifest)
    except InvalidSignature as error:
        raise ModelError(f"its {SIGNATURE} is not that of its manifest") from error
    return public


class TrustedKeys:
    """The public keys whose releases are accepted. Without any, a release needs no signature."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """Each key is 32 bytes in base64, or the path of a PEM file.

        Raises SettingsError for what is neither.
        """
        self._keys = frozenset(_read_key(key) for key in keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, public: str) -> bool:
        return public in self._keys

    def require(self, manifest: bytes, signature: bytes | None) -> None:
        """Raise ModelError unless one of the keys has signed these bytes, or there is no key."""
        if not self._keys:
            return
        if signature is None:
            raise ModelError(
                "it is not signed, and releases.trusted_keys is set: sign it with "
                "`backstream releases sign`"
            )
        public = signer_of(manifest, signature)
        if public not in self._keys:
            raise ModelError(f"it is signed with {public}, which releases.trusted_keys lacks")


def _read_key(key: str) -> str:
    try:
        return _as_text(_public_key(key.strip()))
    except ValueError:
        pass  # then it is the path of a file
    try:
        read = serialization.load_pem_public_key(Path(key).expanduser().read_bytes())
    except OSError as error:
        raise SettingsError(
            f"releases.trusted_keys: {key!r} is neither a key of 32 bytes in base64 nor a file "
            f"that can be read ({error.strerror or error})"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"releases.trusted_keys: {key} is not a public key in PEM") from error
    if not isinstance(read, Ed25519PublicKey):
        raise SettingsError(f"releases.trusted_keys: {key} is not an ed25519 key")
    return _as_text(read)


def _public_key(text: str) -> Ed25519PublicKey:
    """Raises ValueError."""
    raw = b64decode(text, validate=True)
    if len(raw) != _KEY_BYTES:
        raise ValueError(f"{len(raw)} bytes")
    return Ed25519PublicKey.from_public_bytes(raw)


def _as_text(key: Ed25519PublicKey) -> str:
    return b64encode(key.public_bytes_raw()).decode()
