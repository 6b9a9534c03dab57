"""``python -m export keygen`` and ``sign``: sign artifacts, for devices that trust a key."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_runtime.artifact.find import find_models
from edge_runtime.artifact.manifest import manifest_path, parse_manifest, read_manifest, read_model
from edge_runtime.artifact.signature import PublicKey, check_signature, signature_path, signature_text, signed_message
from edge_runtime.common.arguments import CommandParser, add_help
from edge_runtime.common.cli import say
from edge_runtime.common.files import read_bounded, write_bytes, write_new
from edge_runtime.common.optional import require
from edge_runtime.errors import UsageError

_MAX_KEY_BYTES = 4096


def build_parser() -> argparse.ArgumentParser:
    """The parser of both commands."""
    parser: argparse.ArgumentParser = CommandParser(prog="python -m export")
    commands = parser.add_subparsers(dest="command", required=True, title="commands", metavar="COMMAND")
    sign = commands.add_parser("sign", help="sign artifacts")
    add_help(
        sign,
        "Sign artifacts with Ed25519. Each gets a file NAME.sig beside it. The signature covers the manifest, which "
        "holds the model's hash. If one artifact's files do not belong together, none is signed.",
        "python -m export sign artifacts/edge-m --key release.key",
    )
    sign.add_argument(
        "artifacts",
        nargs="+",
        type=Path,
        metavar="ARTIFACT",
        help=".tflite files, folders of them, or sizes such as edge-s",
    )
    sign.add_argument("--key", type=Path, required=True, metavar="FILE", help="private key, from keygen")
    sign.add_argument("--force", action="store_true", help="replace the signature of another key")
    sign.set_defaults(run=lambda args: sign_artifacts(args.artifacts, args.key, args.force))
    keygen = commands.add_parser("keygen", help="make a key")
    add_help(
        keygen,
        "Make an Ed25519 key: FILE is private (only its owner can read it; keep it off the devices), FILE.pub is "
        "public, for the devices. Existing files are never overwritten.",
        "python -m export keygen --out release.key",
    )
    keygen.add_argument("--out", type=Path, required=True, metavar="FILE", help="the private key's file")
    keygen.set_defaults(run=lambda args: make_key(args.out))
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    args.run(args)
    return 0


def make_key(out: Path) -> PublicKey:
    """Make a key: ``out`` in PEM (PKCS 8, mode 0600) and ``<out>.pub`` in PEM.

    Raises:
        UsageError: A file is there, or the place cannot be written.
    """
    ed25519, serialization = _ed25519(), require("cryptography.hazmat.primitives.serialization")
    private = ed25519.Ed25519PrivateKey.generate()
    pem, kinds = serialization.Encoding.PEM, serialization
    secret = private.private_bytes(pem, kinds.PrivateFormat.PKCS8, kinds.NoEncryption())
    public = private.public_key().public_bytes(pem, kinds.PublicFormat.SubjectPublicKeyInfo)
    shown = out.with_name(f"{out.name}.pub")
    _write_key(shown, public, 0o644)
    try:
        _write_key(out, secret, 0o600)
    except BaseException:
        shown.unlink(missing_ok=True)
        raise
    key = _public(private)
    say(f"private key: {out} (keep it secret and off the devices)\npublic key:  {shown}\nkey id:      {key.id}")
    return key


def sign_artifacts(places: Sequence[Path], key: Path, force: bool = False) -> list[Path]:
    """Sign artifacts. All are checked before the first is signed.

    Args:
        places: .tflite files, or folders of them.
        key: Private key in PEM.
        force: Replace a signature that differs.

    Returns:
        The files of the signatures.

    Raises:
        UsageError: There is no such artifact, the key is not a private Ed25519 key, or another signature exists.
        ModelError: A model and its manifest do not belong together.
    """
    private = _read_private(key)
    public = _public(private)
    made: dict[Path, bytes] = {}
    for model in find_models(places):
        data = read_manifest(model)
        read_model(model, parse_manifest(data, manifest_path(model)))
        made[model] = signature_text(public, private.sign(signed_message(data)))
        path = signature_path(model)
        if path.exists() and not force and read_bounded(path, _MAX_KEY_BYTES) != made[model]:
            raise UsageError(f"{path} already exists and is another signature. Replace it with --force.")
    for model, text in made.items():
        write_bytes(signature_path(model), text)
        check_signature(model, read_manifest(model), [public])
        say(f"signed with key {public.id}: {model}")
    return [signature_path(model) for model in made]


def _read_private(path: Path) -> Any:
    serialization = require("cryptography.hazmat.primitives.serialization")
    try:
        key = serialization.load_pem_private_key(read_bounded(path, _MAX_KEY_BYTES), password=None)
    except OSError as error:
        raise UsageError(f"The key {path} cannot be read: {error}.") from error
    except Exception as error:  # a library's many ways to say no; none of them is a key
        raise UsageError(
            f"{path} is not a private key in PEM without a password: {error}. Make one: python -m export keygen"
        ) from error
    if not isinstance(key, _ed25519().Ed25519PrivateKey):
        raise UsageError(f"{path} is a key of another kind; an Ed25519 key is needed: python -m export keygen")
    return key


def _public(private: Any) -> PublicKey:
    return PublicKey(private.public_key().public_bytes_raw())


def _write_key(path: Path, data: bytes, mode: int) -> None:
    try:
        write_new(path, data, mode)
    except FileExistsError as error:
        raise UsageError(f"{path} already exists. A key is never overwritten: choose another --out.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}. Choose another --out.") from error


def _ed25519() -> Any:
    return require("cryptography.hazmat.primitives.asymmetric.ed25519")
