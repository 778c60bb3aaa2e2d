"""What a workspace says about a request that held secrets, without them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "***"
PIECE = 8
"""So many characters of a secret in a row are told by nobody."""


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """The text with each secret hidden. Where pieces of one are left, as where the workspace cut it short, nothing of the text is."""
    cores = {form for secret in secrets for form in _forms(_core(secret)) if len(form) >= PIECE}
    whole = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(whole | cores, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    if any(core[start : start + PIECE] in text for core in cores for start in range(len(core) - PIECE + 1)):
        return f"{HIDDEN} (the answer repeats what is secret)"
    return text


def _core(secret: str) -> str:
    """The part that makes it a secret: of a URL what comes after its host, or all but the scheme where it holds a password."""
    try:
        host = urlsplit(secret).netloc
    except ValueError:
        return secret
    if not host:
        return secret
    return secret.partition("://")[2] if "@" in host else secret.partition(host)[2].lstrip("/")


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may be written in a message."""
    for one in {secret, unquote(secret)} - {""}:
        yield one
        yield json.dumps(one)[1:-1]
        yield json.dumps(one, ensure_ascii=False)[1:-1]
        yield quote(one, errors="replace")
        yield quote(one, safe="", errors="replace")
