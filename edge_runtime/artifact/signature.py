"""Ed25519 signatures of artifacts (RFC 8032). They need the package ``cryptography``, which the extra ``sign`` brings.

A signature covers the manifest's bytes, which contain the model's size and sha256. A prefix keeps the signature from
being valid for anything else. The signature is a file ``<name>.sig`` beside the model, with three lines of text:

    fetal-head-edge signature 1
    key <16 digits: the start of the public key's sha256>
    ed25519 <128 digits>
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.common.files import read_bounded
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError, ModelError, UsageError

PREFIX = b"fetal-head-edge manifest signature 1\0"
_FORMAT = re.compile(rb"fetal-head-edge signature 1\nkey ([0-9a-f]{16})\ned25519 ([0-9a-f]{128})\n")
_MAX_SIG_BYTES = 256
_MAX_KEY_BYTES = 4096

_PEM = re.compile(rb"\s*-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----\s*")
_DER_HEAD = bytes.fromhex("302a300506032b6570032100")
"""The bytes before the 32 bytes of an Ed25519 key in DER (RFC 8410)."""

_SMALL_ORDER = {
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
}
"""Keys for which anyone can make signatures without a private key, such as all zeros. Their sign bit is cleared."""


@dataclass(frozen=True)
class PublicKey:
    """A trusted public key.

    Attributes:
        data: The 32 bytes of the key.
    """

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != 32:
            raise UsageError(f"The key has {len(self.data)} bytes; an Ed25519 public key has 32.")
        if self.data[:31] + bytes([self.data[31] & 0x7F]) in _SMALL_ORDER:
            raise UsageError("This key cannot be trusted: anyone can sign for it. Make one: python -m export keygen")

    @property
    def id(self) -> str:
        """The first 16 hexadecimal digits of its sha256."""
        return hashlib.sha256(self.data).hexdigest()[:16]


def read_key(source: str | Path | bytes | PublicKey) -> PublicKey:
    """Read a public key to trust.

    Args:
        source: A PEM file, its content, or the key's 32 bytes.

    Raises:
        UsageError: It is not an Ed25519 public key.
    """
    if isinstance(source, PublicKey):
        return source
    if isinstance(source, bytes):
        data, where = source, "The key given"
    else:
        where = str(source)
        try:
            data = read_bounded(Path(source), _MAX_KEY_BYTES)
        except (OSError, ValueError) as error:
            raise UsageError(f"The key {where} cannot be read: {error}.") from error
    if len(data) == 32:
        return PublicKey(data)
    if b"PRIVATE KEY" in data:
        raise UsageError(f"{where} is a private key, which must not be on a device. Give the public key (.pub).")
    found = _PEM.fullmatch(data)
    try:
        der = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
    except binascii.Error:
        der = b""
    if len(der) != len(_DER_HEAD) + 32 or not der.startswith(_DER_HEAD):
        raise UsageError(
            f"{where} is not an Ed25519 public key. Give a PEM file written by python -m export keygen, or 32 bytes."
        )
    return PublicKey(der[len(_DER_HEAD) :])


def read_keys(sources: Sequence[str | Path | bytes | PublicKey] | None) -> tuple[PublicKey, ...] | None:
    """Read the keys to trust. None if no signature is required.

    Raises:
        UsageError: The list is empty, so that nothing could be trusted; it is a single key instead of a list; or an
            entry is not a key.
    """
    if sources is None:
        return None
    if isinstance(sources, str | bytes | Path | PublicKey):
        raise UsageError("trusted_keys must be a list: put the key into [ ].")
    if not sources:
        raise UsageError(
            "trusted_keys is empty, so no model could be loaded. Give a key, or None to require no signature."
        )
    return tuple(read_key(source) for source in sources)


def signature_path(model: Path) -> Path:
    """The path of a model file's signature: the same name, ending in ``.sig``."""
    return model.with_suffix(".sig")


def sign_again(model: Path) -> str:
    """The message for an artifact that was signed and has changed."""
    return (
        f"{signature_path(model)} signed the earlier manifest and was removed. "
        f"Sign again: python -m export sign {model} --key FILE"
    )


def signature_text(key: PublicKey, signature: bytes) -> bytes:
    """The content of a signature file."""
    return f"fetal-head-edge signature 1\nkey {key.id}\ned25519 {signature.hex()}\n".encode()


def signed_message(manifest: bytes) -> bytes:
    """The bytes that are signed for a manifest."""
    return PREFIX + manifest


def check_signature(model: Path, manifest: bytes, keys: Sequence[PublicKey]) -> str:
    """Check that one of the trusted keys signed a manifest.

    Args:
        model: The .tflite file. Its signature is beside it.
        manifest: The manifest's bytes as read, not yet parsed.
        keys: The trusted keys.

    Returns:
        The id of the key that signed it.

    Raises:
        ModelError: There is no signature, another key signed it, or the manifest was changed since.
        FetalHeadError: ``cryptography`` is not installed. The message names the extra.
    """
    ed25519 = _ed25519()
    trusted = ", ".join(key.id for key in keys)
    path = signature_path(model)
    try:
        found = _FORMAT.fullmatch(read_bounded(path, _MAX_SIG_BYTES))
    except FileNotFoundError as error:
        raise ModelError(
            f"{model} is not signed: {path.name} is missing beside it. Only models signed by key {trusted} are loaded. "
            "Copy all three files, or sign the model with: python -m export sign",
            code="unsigned",
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", code="signature") from error
    if not found:
        raise ModelError(
            f"{path} is not a signature of this version. Copy it again, or sign the model again.", code="signature"
        )
    key = next((key for key in keys if key.id == found[1].decode()), None)
    if key is None:
        raise ModelError(
            f"{model} is signed by key {found[1].decode()}, which is not trusted. Trusted: {trusted}.",
            code="untrusted_key",
        )
    try:
        public = ed25519.Ed25519PublicKey.from_public_bytes(key.data)
        public.verify(bytes.fromhex(found[2].decode()), signed_message(manifest))
    except Exception as error:  # InvalidSignature, or any other refusal of the library
        raise ModelError(
            f"The manifest of {model} is not the one that key {key.id} signed. It was changed or damaged, or the three "
            "files do not belong together. Copy all three again.",
            code="signature",
        ) from error
    return key.id


def signer_id(model: Path) -> str | None:
    """The id of the key that the signature beside a model names. It is not checked. None if there is no signature."""
    try:
        found = _FORMAT.fullmatch(read_bounded(signature_path(model), _MAX_SIG_BYTES))
    except (OSError, ValueError):
        return None
    return found[1].decode() if found else None


def _ed25519() -> Any:
    try:
        return require("cryptography.hazmat.primitives.asymmetric.ed25519")
    except FetalHeadError as error:
        raise FetalHeadError(
            f"A signature is required but cannot be checked, so nothing is loaded. {error}", code="no_cryptography"
        ) from error
