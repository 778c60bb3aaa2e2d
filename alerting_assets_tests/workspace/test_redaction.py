"""Texts of others, without our secrets."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.workspace.redaction import HIDDEN, PIECE, without_secrets
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.unit

URL = "https://hooks.example.com/services/T00/B00/XyZ"
alphabet = st.text("ABCDEFG/?&=%ü\"'\\ ", min_size=PIECE, max_size=60)


@pytest.mark.parametrize(
    ("text", "secrets", "told"),
    [
        ("nothing to hide", [], "nothing to hide"),
        (f"bad URL {URL}!", [URL], f"bad URL {HIDDEN}!"),
        ("path /services/T00/B00/XyZ is wrong", [URL], f"path /{HIDDEN} is wrong"),
        ("hooks.example.com: expected an https:// URL", [URL], "hooks.example.com: expected an https:// URL"),
        ("user me:hunter22 at h.com", ["https://me:hunter22@h.com/"], f"{HIDDEN} (the answer repeats what is secret)"),
        ("https://hooks.example.com/services/T00/B... is long", [URL], f"{HIDDEN} (the answer repeats what is secret)"),
        ("the key abcd1234 and the key ab", ["abcd1234", "ab"], f"the key {HIDDEN} and the key {HIDDEN}"),
        ("[ is no URL", ["https://[x/abcdefgh"], "[ is no URL"),
        ("as it was", ["", "\udcff"], "as it was"),
    ],
)
def test_a_message_keeps_what_is_not_secret(text: str, secrets: list[str], told: str) -> None:
    assert without_secrets(text, secrets) == told


@given(alphabet, st.text(max_size=20), st.text(max_size=20), st.integers(0, 60), st.integers(0, 60), st.booleans())
@examples(60, 5_000)
def test_no_long_piece_of_a_secret_gets_through(
    secret: str, before: str, after: str, start: int, end: int, is_url: bool
) -> None:
    hidden = f"https://h.example/{secret}" if is_url else secret
    for form in (secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]):
        told = without_secrets(before + form[start:end] + after, [hidden])
        if not is_url or secret == secret.lstrip("/"):
            assert not any(secret[at : at + PIECE] in told for at in range(len(secret) - PIECE + 1))
