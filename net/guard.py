"""Lets an outgoing call go where it was meant to go: to public addresses, and over TLS.

A base URL is an operator's word, but what its name resolves to is not. So addresses are judged after
resolving, and once more at the very socket that is about to connect: the address judged is the
address used, whatever the name says a moment later. Private, loopback, link-local, shared and
reserved addresses are refused, also when written as IPv6 (mapped, 6to4, NAT64), unless
`allow_private_address` says that such a server is meant. The addresses where clouds keep their
machines' credentials are refused always.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohappyeyeballs import AddrInfoType

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Link-local is left out of this list: it is refused with the private ones.
_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, Google, Azure, Oracle, DigitalOcean
        "169.254.170.2",  # AWS containers
        "169.254.170.23",  # AWS pods
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure's host
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",
        "fd20:ce::254",  # Google
    )
)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Special-purpose blocks (IANA's registries) that `ipaddress` of some Python calls global.
_NEVER_PUBLIC = tuple(
    ipaddress.ip_network(block)
    for block in ("192.88.99.0/24", "192.0.0.0/24", "2001::/23", "2001:db8::/32", "3fff::/20")
)
_READ_BUFFER_BYTES = 64 * 1024


class AddressRefused(OSError):
    """A name led to no address that may be called."""


class UrlRefused(ValueError):
    """A base URL that will not be called; `str()` says what to change."""


def is_public(address: str) -> bool:
    """Whether an address, with or without a zone, belongs to the public internet."""
    return _is_public(_parsed(address))


def may_call(address: str, *, allow_private_address: bool) -> bool:
    parsed = _unwrapped(_parsed(address))
    if parsed in _METADATA:
        return False
    return allow_private_address or _is_public(parsed)


def check_url(url: str, *, allow_private_address: bool) -> None:
    """Raises `UrlRefused` for a base URL that is not one, is not https, or names a private address."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UrlRefused(f"{url!r} is not a URL") from error
    if parts.scheme not in ("http", "https") or not host:
        raise UrlRefused(f"{url!r} is not a web address (https://host/path)")
    if parts.username is not None or parts.query or parts.fragment:
        raise UrlRefused("a base URL holds no credentials, query or fragment")
    if parts.scheme == "http" and not allow_private_address:
        raise UrlRefused(f"{url!r} is not encrypted: use https, or set allow_private_address = true")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return  # a name; it is judged when it is resolved
    if not may_call(str(literal), allow_private_address=allow_private_address):
        raise UrlRefused(f"{host} is not a public address: set allow_private_address = true if it is meant")


async def guarded_addresses(host: str, port: int, *, allow_private_address: bool) -> Sequence[AddrInfoType]:
    """Where a name or an address leads, as far as it may be called.

    Raises `AddressRefused` where nothing of it may, and `socket.gaierror` where it leads nowhere.
    """
    # What is an address already needs no thread to be looked up in.
    literal = _literal(host)
    if literal is not None and may_call(host, allow_private_address=allow_private_address):
        return [_target(literal, port)]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    allowed = [one for one in found if may_call(str(one[4][0]), allow_private_address=allow_private_address)]
    if not allowed:
        raise AddressRefused(f"{host} leads to no public address")
    return allowed


def guarded_socket(target: AddrInfoType, *, allow_private_address: bool) -> socket.socket:
    """A socket for this one address. Raises `AddressRefused`."""
    family, kind, protocol, _, address = target
    if not may_call(str(address[0]), allow_private_address=allow_private_address):
        raise AddressRefused("this is not a public address")
    made = socket.socket(family, kind, protocol)
    # A reader that stands still holds this much in the kernel, not what the network could carry.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _READ_BUFFER_BYTES)
    return made


def _literal(host: str) -> Address | None:
    """A zone is a name's business: it is resolved."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _target(address: Address, port: int) -> AddrInfoType:
    if address.version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port)
    return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port, 0, 0)


def _parsed(address: str) -> Address:
    return ipaddress.ip_address(address.partition("%")[0])


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where that is what will be reached."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return inner
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_public(address: Address) -> bool:
    address = _unwrapped(address)
    if address in _METADATA or any(address in block for block in _NEVER_PUBLIC):
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
