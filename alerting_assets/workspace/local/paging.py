"""Pages of lists as the API asks for them and answers them: `page_size`, and a `page_token` that says after which item to go on."""

from __future__ import annotations

import base64
import binascii
import re

from alerting_assets.workspace.local.api_error import invalid

PAGE_SIZE, MAX_PAGE_SIZE = 20, 100


def page_size(text: str | None) -> int:
    if not text:
        return PAGE_SIZE
    if not text.isascii() or not text.isdigit():
        raise invalid(f"page_size: expected a whole number, got {text!r}")
    return min(int(text) or PAGE_SIZE, MAX_PAGE_SIZE)


def token(seq: int) -> str:
    return base64.urlsafe_b64encode(f"after:{seq}".encode()).decode()


def read_token(text: str | None) -> int:
    if not text:
        return 0
    try:
        found = re.fullmatch(r"after:(\d{1,18})", base64.urlsafe_b64decode(text).decode("ascii"), re.ASCII)
    except (binascii.Error, ValueError):
        found = None
    if found is None:
        raise invalid("page_token: not a token that a list has answered")
    return int(found[1])
