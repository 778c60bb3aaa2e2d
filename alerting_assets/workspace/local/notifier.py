"""Tells people what an evaluation notified: events for the outbox, and a courier that empties it while the workspace is served."""

from __future__ import annotations

import html
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from alerting_assets.delivery import (
    Courier,
    Delivery,
    DeliveryRecord,
    Destination,
    DestinationType,
    Event,
    EventKind,
    Http,
    Limits,
    Outbox,
    Severity,
)
from alerting_assets.delivery.mail_server import FindMailServer, SenderOfNow
from alerting_assets.errors import AlertingError, DestinationUnknown, WorkspaceNotFound
from alerting_assets.workspace.local.alert_body import Body, value_at
from alerting_assets.workspace.local.destinations import Destinations
from alerting_assets.workspace.local.rules import Clock, read_timestamp
from alerting_assets.workspace.local.store import Evaluation, Store
from alerting_assets.workspace.local.texts import alert_id, condition, number

MADE_GOOD = timedelta(hours=24)
"""How far back evaluations are looked through at the start for messages that a killed server did not put into the outbox."""
_STOP_SECONDS = 15.0
_PLACEHOLDER = re.compile(r"(?<!\{)\{\{([A-Z_]+)\}\}(?!\})")
_SEVERITY = re.compile(r"\[(CRITICAL|WARNING|INFO)\] ")
_SECRETS = {
    "SLACK": "url",
    "WEBHOOK": "url",
    "MICROSOFT_TEAMS": "url",
    "PAGERDUTY": "integration_key",
}

Log = Callable[[Sequence[DeliveryRecord]], None]
Grouping = Callable[[str, str, str], str | None]
"""Of a destination's id here, an alert_id and a severity: the name of the group whose messages go together; None: each by itself."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivering:
    """How people are told. mail_server: asked at each mail. allowed_hosts: receivers that may lie where usually nothing is sent to
    (delivery/safety.py). log: gets the deliveries that are over, each at least once. limits: of the courier. grouping: asked at each
    event; where it raises, the event goes by itself."""

    mail_server: FindMailServer = lambda: None
    allowed_hosts: frozenset[str] = frozenset()
    log: Log | None = None
    limits: Limits | None = None
    grouping: Grouping | None = None


class Notifier:
    """address: of the server, for links."""

    def __init__(
        self,
        store: Store,
        destinations: Destinations,
        folder: Path,
        address: str,
        clock: Clock,
        how: Delivering,
    ) -> None:
        self._store, self._destinations, self._address, self._clock = store, destinations, address, clock
        self._grouping = how.grouping
        limits = how.limits or Limits()
        self._outbox = Outbox(folder / "outbox.sqlite", clock=clock, group_wait=limits.group_wait)
        self._courier = Courier(
            self._outbox,
            SenderOfNow(Http(allowed_hosts=how.allowed_hosts), how.mail_server),
            self._destination,
            log=how.log,
            on_outcome=_tell,
            clock=clock,
            limits=limits,
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="local-workspace-courier", daemon=True)

    def catch_up(self) -> None:
        """Put what a killed server stored and did not tell into the outbox: before anything else is evaluated, so that no later message
        of an alert goes first."""
        since = self._clock() - MADE_GOOD
        told = [one for one in self._store.evaluations(limit=10_000) if one.notified]
        self.notify([one for one in reversed(told) if read_timestamp(one.evaluated_at) >= since])

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """What is under way gets a few seconds; the rest is sent after the next start."""
        self._stopping.set()
        self._courier.wake()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        self._outbox.close()

    def notify(self, evaluations: Sequence[Evaluation]) -> None:
        """Have those told whom these evaluations notified. The same evaluation may come again; it is told once."""
        self._outbox.put_all(self._events(evaluations), self._group)
        self._courier.wake()

    def recent(self, limit: int) -> list[Delivery]:
        return self._outbox.recent(limit)

    def message_as_sent(self, delivery_id: str) -> str | None:
        return self._outbox.message_as_sent(delivery_id)

    def _run(self) -> None:
        self._courier.run(self._stopping)

    def _events(self, evaluations: Sequence[Evaluation]) -> Iterator[tuple[Event, list[str]]]:
        for evaluation in evaluations:
            body = self._store.get(evaluation.alert_id) if evaluation.notified else None
            if body is not None:
                yield event_of(evaluation, body, self._address), _subscribers(evaluation)

    def _group(self, event: Event, destination_id: str) -> str | None:
        if self._grouping is None:
            return None
        try:
            return self._grouping(destination_id, event.alert_id or "", event.severity)
        except Exception as error:  # noqa: BLE001 — told in the log: it costs the grouping of this message, not the message
            told = error if isinstance(error, AlertingError) else type(error).__name__
            _log.warning("a message about %s goes by itself, since its group cannot be told: %s", event.alert_id, told)
            return None

    def _destination(self, destination_id: str) -> Destination:
        if "@" in destination_id:
            return Destination(destination_id, destination_id, DestinationType.EMAIL, (destination_id,))
        try:
            found = self._destinations.for_delivery(destination_id)
        except WorkspaceNotFound as error:
            raise DestinationUnknown(str(error)) from None
        config = found.config
        return Destination(
            found.id,
            found.name,
            DestinationType(found.type),
            tuple(config.get("addresses") or ()),
            config.get(_SECRETS.get(found.type, "")),
            config.get("username"),
            config.get("password"),
        )


def event_of(evaluation: Evaluation, body: Body, address: str) -> Event:
    """What an evaluation tells, with the texts of the alert's body where it has some."""
    name = str(body["display_name"])
    severity = _SEVERITY.match(name)
    url = f"{address}/alerts/{quote(evaluation.alert_id, safe='')}"
    value = number(evaluation.value)
    values = {
        "ALERT_NAME": name,
        "ALERT_STATUS": evaluation.state,
        "ALERT_CONDITION": condition(body),
        "ALERT_THRESHOLD": number(evaluation.threshold),
        "ALERT_URL": url,
        "QUERY_RESULT_VALUE": value,
        "QUERY_RESULT_ROWS": f"[[{value}]]",
        "QUERY_RESULT_COLS": f"[{value_at(body, 'evaluation.source.name')}]",
    }
    subject, text = body.get("custom_summary"), body.get("custom_description")
    return Event(
        event_id=evaluation.run_id,
        kind=EventKind.RECOVERY if evaluation.state == "OK" else EventKind.ALERT,
        key=evaluation.alert_id,
        subject=_filled(subject, values) if subject else f"{evaluation.state}: {name}",
        occurred_at=read_timestamp(evaluation.evaluated_at),
        body_html=_filled(text, {key: html.escape(value) for key, value in values.items()}) if text else "",
        body_text="" if text else f"{condition(body)}\nvalue: {value}\n{url}",
        severity=Severity(severity[1]) if severity else Severity.WARNING,
        alert_id=alert_id(body) or evaluation.alert_id,
        alert_name=name,
        value=evaluation.value,
        threshold=evaluation.threshold,
        url=url,
    )


def _filled(text: str, values: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def _subscribers(evaluation: Evaluation) -> list[str]:
    return [str(one.get("user_email") or one.get("destination_id")) for one in evaluation.notified]


def _tell(record: DeliveryRecord) -> None:
    if record.outcome.value != "SENT":
        about = record.alert_id or "several alerts"
        _log.warning("a message of %s did not reach %s: %s", about, record.destination_id, record.response)
