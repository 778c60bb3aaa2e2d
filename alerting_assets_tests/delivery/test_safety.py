"""Which addresses are refused, in whatever form they are written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.delivery.safety import refusal, resolve
from alerting_assets.errors import DeliveryRefused
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
    ],
)
def test_refused_addresses(address: str) -> None:
    assert refusal(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "192.168.1.1", "fd12::1", "8.8.8.8", "2606:4700::1"]
)
def test_receivers_anywhere_else_are_fine(address: str) -> None:
    assert refusal(address) is None


@examples(50, 1000)
@given(st.integers(0, 2**32 - 1) | st.integers(0xA9FE0000, 0xA9FEFFFF))
def test_an_ipv4_address_inside_an_ipv6_one_is_judged_as_itself(number: int) -> None:
    plain = refusal(str(IPv4Address(number)))
    for prefix in (0xFFFF << 32, 0x64FF9B << 96):
        assert refusal(str(IPv6Address(prefix | number))) == plain
    assert (refusal(str(IPv6Address(0x2002 << 112 | number << 80))) is None) == (plain is None)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "::ffff:a9fe:a9fe",
        "fd00:ec2::254",
        "0",
        "::",
    ],
)
def test_no_spelling_gets_past(host: str) -> None:
    with pytest.raises(DeliveryRefused, match="allowed by name"):
        resolve(host, 80, ["localhost"])


def test_a_host_that_is_allowed_by_name_is_not_judged() -> None:
    assert resolve("169.254.169.254", 80, ["169.254.169.254"])
    assert resolve("169.254.169.254", 80, ["LOCALHOST", "169.254.169.254."])


def test_a_name_in_ones_own_network_resolves() -> None:
    assert ("127.0.0.1", 8080) in [address[:2] for _, address in resolve("localhost", 8080, [])]
