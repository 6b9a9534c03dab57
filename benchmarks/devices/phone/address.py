"""The page's address: this computer's on the local network, with a secret, and as a QR code."""

from __future__ import annotations

import io
import secrets
import socket

from edge_runtime.common.optional import require

EVERYWHERE = "0.0.0.0"
_ALL = (EVERYWHERE, "::")
_ONLY_HERE = ("127.", "[::1]", "localhost")


def new_token() -> str:
    """A secret for the address: 96 random bits, as text."""
    return secrets.token_urlsafe(12)


def own_address(host: str) -> str:
    """What a phone types for this computer.

    Args:
        host: Where the server listens.

    Returns:
        The host; where that is all of this computer's addresses, the one on the way to the network, or the loopback
        address if there is no network.
    """
    if host not in _ALL:
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        try:
            way.connect(("192.0.2.1", 9))  # an address for documentation; nothing is sent
            return str(way.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def is_only_here(address: str) -> bool:
    """Whether no other computer or phone can open an address of :func:`own_address`."""
    return address.startswith(_ONLY_HERE)


def qr_code(text: str) -> str:
    """A QR code in half blocks, for a dark terminal; on a light one it is inverted, which most phones read, too."""
    drawn = io.StringIO()
    require("segno").make(text, error="l").terminal(drawn, border=2, compact=True)
    return drawn.getvalue().rstrip("\n")
