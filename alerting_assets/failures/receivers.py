"""Whom failures are told, as people write it: an e-mail address, `slack+env:NAME`, or the id of a notification destination.

The middle one works without any table of ours, which code locations of other people do not have: NAME is an environment variable that
holds the URL, or PagerDuty's key. The secret itself is never written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

from alerting_assets.delivery import Destination, DestinationType, parse_addresses
from alerting_assets.errors import SettingsError, WrongAddress, did_you_mean
from alerting_assets.settings import CHANNEL_NAME

WAYS = {
    "slack": DestinationType.SLACK,
    "teams": DestinationType.MICROSOFT_TEAMS,
    "webhook": DestinationType.WEBHOOK,
    "pagerduty": DestinationType.PAGERDUTY,
}
_VARIABLE = re.compile(r"([a-z]+)\+env:([A-Za-z_][A-Za-z0-9_]*)")

LookUp = Callable[[str], Destination]


def parse_receivers(text: str | Iterable[str]) -> tuple[str, ...]:
    """The receivers of a list, each once. text: with commas between them, or one item each. Raises ValueError, whose message does not
    hold a text with `://`: people paste secrets."""
    items = text.split(",") if isinstance(text, str) else list(text)
    return tuple(dict.fromkeys(_receiver(item.strip()) for item in items if item.strip()))


def _receiver(text: str) -> str:
    if found := _VARIABLE.fullmatch(text):
        if found[1] not in WAYS:
            raise ValueError(
                f"{text!r}: there is no way {found[1]!r}{did_you_mean(found[1], WAYS)}; use one of: {', '.join(WAYS)}"
            )
        return text
    if "@" in text:
        try:
            (address,) = parse_addresses(text)
        except (WrongAddress, ValueError):
            raise ValueError(f"{text!r} is not one e-mail address") from None
        return address
    if not CHANNEL_NAME.fullmatch(text):
        shown = "an address of the web" if "://" in text else repr(text[:80])
        raise ValueError(
            f"{shown} names nobody; write an e-mail address, slack+env:NAME (or {', '.join(list(WAYS)[1:])}) with the name of an "
            "environment variable that holds the URL or key, or the id of a notification destination"
        )
    return text


def is_pagerduty(receiver: str) -> bool:
    return receiver.startswith("pagerduty+")


def needs_table(receiver: str) -> bool:
    """Whether it is the id of a notification destination."""
    return "@" not in receiver and "+" not in receiver


def look_up(receiver: str, destinations: LookUp | None) -> Destination:
    """The destination that a receiver stands for, with its secret. destinations: those with an id, where there is a table of them.

    Raises SettingsError, which names the variable that is not set, and what `destinations` raises."""
    if found := _VARIABLE.fullmatch(receiver):
        if secret := (os.environ.get(found[2]) or "").strip():
            return Destination(receiver, receiver, WAYS[found[1]], secret=secret)
        raise SettingsError(f"{receiver}: the environment variable {found[2]} is not set where this runs")
    if "@" in receiver:
        return Destination(receiver, receiver, DestinationType.EMAIL, (receiver,))
    if destinations is None:
        raise SettingsError(
            f"there is no table of notification destinations here, so {receiver!r} names nobody; write an e-mail address, or slack+env:NAME"
        )
    return destinations(receiver)
