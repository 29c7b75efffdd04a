"""Which addresses a durable HTTP request may reach."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import AddrInfoType

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
_OF_THE_PLATFORM = frozenset({IPv4Address("168.63.129.16")})
"""Azure's own endpoint in every virtual network; not private by its number."""


class Targets:
    """Public addresses, and those private ones that a setting allows.

    `allowed` has host names as a URI has them, addresses and networks, or "*" for all, in lower
    case.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        entries = set(allowed)
        self._all = "*" in entries
        self._hosts = {entry for entry in entries if _network(entry) is None} - {"*"}
        self._networks = [network for entry in entries if (network := _network(entry)) is not None]

    def names(self, host: str) -> bool:
        """Whether the setting has this host, by its name or, if it is an address, by that.
        "*" names none."""
        address = _address(host)
        if address is not None:
            return self._in_networks(address)
        return host.lower() in self._hosts

    def allows(self, host: str, address: str) -> bool:
        """Whether a request for `host` may connect to `address`."""
        if self._all or host.lower() in self._hosts:
            return True
        found = _address(address)
        return found is not None and (not is_private(found) or self._in_networks(found))

    def _in_networks(self, address: Address) -> bool:
        return any(each in network for each in _meanings(address) for network in self._networks)


class Guard:
    """Stands where a request for `host` makes its sockets, one for each address that it is
    about to connect to: later than that no name is resolved again."""

    def __init__(self, targets: Targets, host: str) -> None:
        self._targets = targets
        self._host = host
        self._let_pass = False
        self.refused: list[str] = []

    @property
    def refused_all(self) -> bool:
        """Whether there were addresses, and none was allowed."""
        return bool(self.refused) and not self._let_pass

    def socket(self, info: AddrInfoType) -> socket.socket:
        """aiohttp's `socket_factory`. Raises PermissionError for an address not allowed."""
        family, kind, protocol, _, target = info
        address = str(target[0])
        if not self._targets.allows(self._host, address):
            self.refused.append(address)
            raise PermissionError(f"{address} is not a public address")
        self._let_pass = True
        return socket.socket(family, kind, protocol)


def is_private(address: Address) -> bool:
    """Whether an address is none of the public internet's: private, loopback, link-local,
    multicast, unspecified, reserved, or an IPv6 form of such an IPv4 address."""
    return any(map(_is_special, _meanings(address)))


def _is_special(address: Address) -> bool:
    return (
        not address.is_global
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or (isinstance(address, IPv6Address) and address.is_site_local)
        or address in _OF_THE_PLATFORM
    )


def _meanings(address: Address) -> list[Address]:
    """The address, or what it stands for: IPv4 in one of the forms that IPv6 has for it."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    return [address]


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None
