"""Lists of addresses as people write them, and secrets that stay secret."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.delivery import Destination, DestinationType, parse_addresses
from alerting_assets.errors import WrongAddress
from alerting_assets_tests.delivery.examples import webhook
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.unit


def test_a_destination_whose_name_is_its_id_is_named_once() -> None:
    address = "ann@example.com"
    assert str(Destination(address, address, DestinationType.EMAIL, (address,))) == "destination ann@example.com"
    assert str(webhook("https://example.com")) == "destination w (the hook)"


@pytest.mark.parametrize(
    ("given_list", "found"),
    [
        ("ann@example.com", ["ann@example.com"]),
        (" ann@example.com ,  bob@example.com, ", ["ann@example.com", "bob@example.com"]),
        (
            "ann@example.com;bob@example.com\ncarl@example.com",
            ["ann@example.com", "bob@example.com", "carl@example.com"],
        ),
        ("ann@example.com bob@example.com", ["ann@example.com", "bob@example.com"]),
        ("Ann Smith <ann@example.com>, bob@example.com", ["ann@example.com", "bob@example.com"]),
        ('"Smith, Ann" <ann@example.com>; <bob@example.com>', ["ann@example.com", "bob@example.com"]),
        ('"A \\"quoted, name\\"" <ann@example.com>', ["ann@example.com"]),
        ("Jörg Müller <j.mueller+alerts@bücher.example>", ["j.mueller+alerts@xn--bcher-kva.example"]),
        (["ann@example.com, bob@example.com", "Ann@Example.com"], ["ann@example.com", "bob@example.com"]),
        ('"john doe"@example.com', ['"john doe"@example.com']),
        ("ann@localhost", ["ann@localhost"]),
        ("", []),
        ([], []),
    ],
)
def test_lists_as_people_write_them(given_list: str | list[str], found: list[str]) -> None:
    assert list(parse_addresses(given_list)) == found


@pytest.mark.parametrize(
    "wrong",
    [
        "ann",
        "ann@",
        "@example.com",
        "ann@example",
        "ann@@example.com",
        "ann smith@exa mple.com",
        "Ann <ann@example.com",
        "Ann <>",
        "ann..smith@example.com",
        ".ann@example.com",
        "ann@example..com",
        "ann@-example.com",
        f"{'a' * 65}@example.com",
        "ann@example.com\x00",
        "<ann@example.com> <bob@example.com>",
        '"ann@example.com',
    ],
)
def test_a_wrong_address_is_named(wrong: str) -> None:
    with pytest.raises(WrongAddress, match="is not an e-mail address") as raised:
        parse_addresses(f"bob@example.com, {wrong}")
    assert repr(wrong.split()[0])[1:-1][:5] in str(raised.value)


@examples(50, 2000)
@given(st.text(st.characters(), max_size=60) | st.text('ab@.,;<>" \\\n', max_size=40))
def test_any_text_is_addresses_or_a_wrong_address(text: str) -> None:
    try:
        found = parse_addresses(text)
    except WrongAddress:
        return
    assert parse_addresses(", ".join(found)) == found
    for address in found:
        assert address.isascii()
        assert not set("\r\n\0") & set(address)


def test_secrets_are_not_shown() -> None:
    shown = repr(webhook("https://example.com/secret-path", username="secret-user", password="secret-password"))
    assert "secret" not in shown
    assert "destination w (the hook)" in str(webhook("https://example.com/secret-path"))


@pytest.mark.parametrize(
    "echo",
    [
        lambda url: f"no route for {url}",
        lambda _: "Cannot POST /services/T0AAAAAA/B0BBBBBB/kYsEcReT123?sig=s%2Fg+%3Dna",
        lambda url: json.dumps({"error": url}),
        lambda url: json.dumps({"error": url}).replace("/", "\\/"),
        lambda url: quote(url, safe=""),
        lambda _: "the token kYsEcReT123 is old, and s/g =na is wrong",
        lambda _: f"Authorization: Basic {base64.b64encode(b'ann:pass word!').decode()}",
        lambda _: "password: pass word!, or pass%20word%21",
    ],
)
def test_whatever_a_receiver_writes_back_is_scrubbed(echo: object) -> None:
    url = "https://ann:pa%73s@hooks.example.com/services/T0AAAAAA/B0BBBBBB/kYsEcReT123?sig=s%2Fg+%3Dna"
    where = webhook(url, username="ann", password="pass word!")
    scrubbed = where.scrub(echo(url))  # type: ignore[operator]
    for secret in ("kYsEcReT123", "T0AAAAAA", "s%2Fg+%3Dna", "s/g =na", "pass word!", "pass%20word", "YW5uOnBhc3M"):
        assert secret not in scrubbed
    assert "***" in scrubbed


def test_words_that_are_no_secrets_stay() -> None:
    where = Destination("s", "s", DestinationType.SLACK, secret="https://hooks.example.com/services/T0AAAAAA/")
    assert where.scrub("services of hooks.example.com") == "services of hooks.example.com"
