"""Which addresses a message may be sent to.

Receivers in one's own network are fine. What is not: addresses by which a machine in a cloud asks who it is and gets credentials, and
addresses that are no single machine's. What counts is the address that a name resolves to, and the connection is made to exactly that one.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from alerting_assets.errors import DeliveryRefused

SocketAddress = tuple[socket.AddressFamily, Any]

_METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure
    )
)
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_COMPATIBLE = ip_network("::/96")


def resolve(host: str, port: int, allowed_hosts: Collection[str]) -> list[SocketAddress]:
    """Where to connect to. allowed_hosts: names, as URLs have them, whose addresses are not judged. Raises DeliveryRefused, which names the
    host and the reason, and OSError where the name does not resolve."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except UnicodeError:
        raise DeliveryRefused(f"{host} is not a host name") from None
    if _name(host) not in {_name(allowed) for allowed in allowed_hosts}:
        for *_, address in found:
            if reason := refusal(str(address[0])):
                raise DeliveryRefused(
                    f"{host} is at {address[0]}, {reason}: nothing is sent there unless the host is allowed by name"
                )
    return [(family, address) for family, *_, address in found]


def refusal(address: str) -> str | None:
    """Why nothing may be sent to an address; None where it may."""
    for ip in _meant(ip_address(address.partition("%")[0])):
        if ip in _METADATA:
            return "where clouds hand out credentials"
        if ip.is_link_local:
            return "a link-local address"
        if ip.is_multicast:
            return "a multicast address"
        if ip.is_unspecified or ip in ip_network("0.0.0.0/8") or ip in ip_network("240.0.0.0/4"):
            return "which is no machine's address"
    return None


def _meant(ip: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address, and every IPv4 address that it stands for."""
    yield ip
    if isinstance(ip, IPv4Address):
        return
    last = IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.ipv4_mapped or any(ip in network for network in _NAT64):
        yield last
    if ip in _COMPATIBLE and int(ip) > 1:
        yield last
    if ip.sixtofour:
        yield ip.sixtofour
    if ip.teredo:
        yield from ip.teredo


def _name(host: str) -> str:
    return host.lower().rstrip(".").strip("[]")
