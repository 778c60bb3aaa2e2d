"""Whom an action makes hear of an alert that did not before, and whom no longer; by the names that people gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerting_assets.alerts.compiled import Target


@dataclass(frozen=True)
class Told:
    """added, removed: names of destinations, and addresses."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """As `now told: slack-ops; no longer: mail-team`; empty where nothing changes."""
        parts = [("now told", self.added), ("no longer", self.removed)]
        return "; ".join(f"{word}: {', '.join(names)}" for word, names in parts if names)


def told_by(old: Mapping[str, Any], new: Mapping[str, Any], target: Target) -> Told:
    """old, new: bodies of the Alerts API. An id that stands for no destination of ours is told as it is."""
    names = {address: name for name, addresses in target.addresses.items() for address in addresses}
    before, after = (
        {
            (names.get(str(value), str(value)) if kind == "destination_id" else str(value))
            for one in _subscriptions(body)
            for kind, value in one.items()
            if value
        }
        for body in (old, new)
    )
    return Told(tuple(sorted(after - before)), tuple(sorted(before - after)))


def _subscriptions(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return ((body.get("evaluation") or {}).get("notification") or {}).get("subscriptions") or ()
