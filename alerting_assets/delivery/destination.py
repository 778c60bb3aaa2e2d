"""Where messages go: destinations, their secrets, and lists of e-mail addresses."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from alerting_assets.errors import WrongAddress

HIDDEN = "***"
_SHORTEST_SECRET = 4
_SHORTEST_PATH_PART = 6
"""Parts of a URL's path that are shorter say nothing, and would blot out half of every text."""
_NO_SECRETS = frozenset(
    {"services", "service", "workflows", "triggers", "webhook", "webhooks", "webhookb2", "manual", "invoke", "enqueue"}
)
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"""{_ATOM}(?:\.{_ATOM})*|"(?:[^"\\\x00-\x1f\x7f-\uffff]|\\[ -~])+\"""")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"localhost|{_LABEL}(?:\.{_LABEL})+")
_LONGEST_LOCAL_PART = 64
_LONGEST_ADDRESS = 254
_SEPARATORS = ",;\n"


class DestinationType(StrEnum):
    EMAIL = "EMAIL"
    SLACK = "SLACK"
    WEBHOOK = "WEBHOOK"
    PAGERDUTY = "PAGERDUTY"
    MICROSOFT_TEAMS = "MICROSOFT_TEAMS"


@dataclass(frozen=True)
class Destination:
    """secret: the URL that is posted to, or PagerDuty's integration key. username, password: of a generic webhook that asks for them."""

    destination_id: str
    name: str
    type: DestinationType
    addresses: tuple[str, ...] = ()
    secret: str | None = field(default=None, repr=False)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"destination {self.destination_id}{'' if self.name == self.destination_id else f' ({self.name})'}"

    def scrub(self, text: str) -> str:
        """The text with everything that is secret about this destination made unreadable, whichever way a receiver writes it back."""
        for secret in self._secrets():
            text = text.replace(secret, HIDDEN)
        return text

    def _secrets(self) -> list[str]:
        """Longest first, so that no part of a longer one remains."""
        found = {self.secret or "", self.password or ""}
        if self.username and self.password:
            found.add(base64.b64encode(f"{self.username}:{self.password}".encode()).decode())
        if self.secret and "://" in self.secret:
            found |= _parts_of_url(self.secret)
        found |= {form for secret in tuple(found) for form in (unquote(secret), quote(secret, safe=""), quote(secret))}
        found |= {json.dumps(secret)[1:-1] for secret in tuple(found)}
        known = {secret for secret in found if len(secret) >= _SHORTEST_SECRET}
        if self.password:
            known.add(self.password)
        return sorted(known, key=len, reverse=True)


def _parts_of_url(url: str) -> set[str]:
    try:
        parts = urlsplit(url)
        words = {parts.username or "", parts.password or "", parts.path, parts.query, f"{parts.path}?{parts.query}"}
        if parts.username:
            words.add(base64.b64encode(f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()).decode())
        words |= {value for _, value in parse_qsl(parts.query)}
    except ValueError:
        return set()
    return words | {part for part in parts.path.split("/") if len(part) >= _SHORTEST_PATH_PART} - _NO_SECRETS


def parse_addresses(given: str | Iterable[str]) -> tuple[str, ...]:
    """The addresses of a list as people write one: with commas, semicolons, blanks or line ends between, with or without display names.
    Each address once. Raises WrongAddress, which names the address."""
    texts = [given] if isinstance(given, str) else list(given)
    found: dict[str, str] = {}
    for part in (part for text in texts for part in _split(text)):
        for address in _addresses(part):
            found.setdefault(address.lower(), address)
    return tuple(found.values())


def _split(text: str) -> Iterable[str]:
    """The parts between separators that stand neither in quotes nor in angle brackets."""
    part, quoted, escaped, angle = "", False, False, False
    for character in text.replace("\r", "\n"):
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character in _SEPARATORS and not angle:
            yield part
            part = ""
            continue
        else:
            quoted = character == '"'
            angle = character == "<" or (angle and character != ">")
        part += character
    yield part


def _addresses(part: str) -> Iterable[str]:
    part = part.strip()
    if not part:
        return
    if named := re.fullmatch(r"[^<>]*<([^<>]*)>", part):
        yield _address(named[1].strip(), part)
    elif '"' in part:
        yield _address(part, part)
    else:
        for word in part.split():
            yield _address(word, part)


def _address(text: str, shown: str) -> str:
    """One address, its domain in ASCII. shown: how the list has it."""
    local, _, domain = text.rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError as error:
            raise _wrong(shown) from error
    too_long = len(local) > _LONGEST_LOCAL_PART or len(local) + 1 + len(domain) > _LONGEST_ADDRESS
    if too_long or not _LOCAL_PART.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise _wrong(shown)
    return f"{local}@{domain}"


def _wrong(shown: str) -> WrongAddress:
    return WrongAddress(f"{shown[:100]!r} is not an e-mail address")
