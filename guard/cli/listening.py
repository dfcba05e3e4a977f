"""The socket that a server listens on."""

from __future__ import annotations

import socket

from guard.errors import TenetError


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address, port 0 for a free one. Raises TenetError where it cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise TenetError(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port") from error
    return listening
