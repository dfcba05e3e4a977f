"""Where a webhook may go: https to addresses of the public Internet, or this machine itself; anywhere only if that is asked for.

Names are resolved again for each attempt, and the connection goes to the very address that was checked, so that a name that
changes its mind does not lead into the network that the guard stands in.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from guard.errors import TenetError


class Forbidden(OSError):
    """An address that a webhook may not go to."""


def check_url(url: str, *, anywhere: bool = False) -> None:
    """Raise TenetError where a webhook may not go to this URL, as far as the URL tells."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password or len(url) > 2_000:
        raise TenetError("--webhook: expected an http or https URL without a password in it, got something else")
    if anywhere:
        return
    here = _is_this_machine(host)
    if parts.scheme != "https" and not here:
        raise TenetError(f"--webhook: expected https, or http to this machine, got http to {host[:100]}; or --webhook-anywhere")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not here and not is_public(str(address)):
        raise TenetError(f"--webhook: expected a public address, got {address}; --webhook-anywhere allows it")


def is_public(address: str) -> bool:
    """Return whether an address is one of the public Internet; those that hold another one (mapped, 6to4, NAT64) are not."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and (
        parsed.ipv4_mapped or parsed.sixtofour or parsed.teredo or parsed in _NAT64
    ):
        return False
    return parsed.is_global and not parsed.is_multicast


class CheckedResolver(AbstractResolver):
    """Resolves names to addresses that a webhook may go to."""

    def __init__(self, *, anywhere: bool = False) -> None:
        self._anywhere = anywhere
        self._inner = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Return the addresses of a name. Raises Forbidden where one of them is not allowed."""
        found = await self._inner.resolve(host, port, family)
        here = _is_this_machine(host)
        for each in found if not self._anywhere else ():
            address = ipaddress.ip_address(each["host"].partition("%")[0])
            if not (address.is_loopback if here else is_public(str(address))):
                raise Forbidden("the name leads to an address that webhooks may not go to")
        return found

    async def close(self) -> None:
        """Let go of what resolving needs."""
        await self._inner.close()


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


_NAT64: Any = ipaddress.ip_network("64:ff9b::/96")
