"""Keys and signatures of releases."""

import os
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from models.releases.signing import DOMAIN, SigningKey, TrustedKeys, signer_of
from schemas.errors import ModelError, SettingsError

_MANIFEST = b'{"id": "r-1"}'


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.generate(tmp_path / "key.pem")


def test_a_signature_names_its_key_and_holds_for_one_manifest(key: SigningKey) -> None:
    signature = key.sign(_MANIFEST)
    assert signer_of(_MANIFEST, signature) == key.public
    TrustedKeys([key.public]).require(_MANIFEST, signature)
    with pytest.raises(ModelError, match="not that of its manifest"):
        signer_of(_MANIFEST + b" ", signature)


def test_what_is_signed_is_told_from_other_uses_of_the_key(key: SigningKey) -> None:
    algorithm, public, signature = key.sign(_MANIFEST).split()
    verifier = Ed25519PublicKey.from_public_bytes(b64decode(public))
    verifier.verify(b64decode(signature), DOMAIN + _MANIFEST)
    private = Ed25519PrivateKey.generate()
    plain = b" ".join(
        (
            algorithm,
            b64encode(private.public_key().public_bytes_raw()),
            b64encode(private.sign(_MANIFEST)),
        )
    )
    with pytest.raises(ModelError, match="not that of its manifest"):
        signer_of(_MANIFEST, plain)


def test_several_keys_are_trusted_and_others_are_not(key: SigningKey, tmp_path: Path) -> None:
    other = SigningKey.generate(tmp_path / "other.pem")
    both = TrustedKeys([other.public, key.public])
    both.require(_MANIFEST, key.sign(_MANIFEST))
    both.require(_MANIFEST, other.sign(_MANIFEST))
    with pytest.raises(ModelError, match=r"trusted_keys lacks|which releases.trusted_keys"):
        TrustedKeys([other.public]).require(_MANIFEST, key.sign(_MANIFEST))
    with pytest.raises(ModelError, match="not signed"):
        both.require(_MANIFEST, None)
    TrustedKeys().require(_MANIFEST, None)


def test_someone_elses_signature_under_a_trusted_name_is_refused(
    key: SigningKey, tmp_path: Path
) -> None:
    other = SigningKey.generate(tmp_path / "other.pem")
    algorithm, _, signature = other.sign(_MANIFEST).decode().split()
    with pytest.raises(ModelError, match="not that of its manifest"):
        TrustedKeys([key.public]).require(
            _MANIFEST, f"{algorithm} {key.public} {signature}".encode()
        )


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"\xff",
        b"ed25519",
        b"rsa AAAA AAAA",
        b"ed25519 AAAA AAAA",
        b"ed25519 A B C",
        b"\0" * 99,
    ],
)
def test_malformed_signatures_are_refused(signature: bytes) -> None:
    with pytest.raises(ModelError, match="not a signature of this version"):
        signer_of(_MANIFEST, signature)


def test_a_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    before = os.umask(0)
    try:
        made = SigningKey.generate(file)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(file).public == made.public
    with pytest.raises(SettingsError, match="never overwritten"):
        SigningKey.generate(file)
    file.chmod(0o640)
    with pytest.raises(SettingsError, match=r"other users \(mode 0640\): run `chmod 600"):
        SigningKey.load(file)


def test_what_is_no_signing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        SigningKey.load(tmp_path / "missing.pem")
    text, pipe, other = tmp_path / "text.pem", tmp_path / "pipe", tmp_path / "x25519.pem"
    text.write_text("hello")
    text.chmod(0o600)
    with pytest.raises(SettingsError, match="not an unencrypted private key"):
        SigningKey.load(text)
    os.mkfifo(pipe, 0o600)
    with pytest.raises(SettingsError, match="not a regular file"):
        SigningKey.load(pipe)
    other.touch(0o600)
    other.write_bytes(
        X25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(SettingsError, match="not an ed25519 key"):
        SigningKey.load(other)


def test_trusted_keys_are_base64_or_pem_files(key: SigningKey, tmp_path: Path) -> None:
    file = tmp_path / "public.pem"
    file.write_bytes(
        Ed25519PublicKey.from_public_bytes(b64decode(key.public)).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    assert key.public in TrustedKeys([str(file)])
    assert not TrustedKeys()
    for wrong in ("AAAA", str(tmp_path / "missing.pem"), str(tmp_path / "key.pem"), ""):
        with pytest.raises(SettingsError, match=r"releases\.trusted_keys"):
            TrustedKeys([wrong])
