"""Reading the secrets of a workspace's secret scopes."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from alerting_assets.errors import WorkspaceError
from alerting_assets.workspace.transport import Transport

SECRET = "/api/2.0/secrets/get"


def read_secret(transport: Transport, scope: str, key: str, *, address: str) -> str:
    """The text of a secret. address: the workspace's URL, for messages."""
    answer = transport.call("GET", SECRET, SECRET, query={"scope": scope, "key": key}, secrets=frozenset())
    text = _text(answer.get("value"))
    if text:
        return text
    what = "is no UTF-8 text" if text is None else "is empty"
    raise WorkspaceError(f"GET {SECRET} at {address}: the secret {key!r} of the scope {scope!r} {what}")


def _text(value: Any) -> str | None:
    """The text behind base64, or None for what is none. The errors of Python's decoders hold what they decode: none leaves here."""
    if value is None or value == "":
        return ""  # JSON of protobuf leaves out what is empty
    try:
        return base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, TypeError, ValueError):
        return None
