"""The sensor of failures of our own code location: it knows our table of destinations, and notes what became of each message."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from alerting_assets.automation.check_failures import SECONDS, folder_of, receivers_of, routes_in
from alerting_assets.automation.failure_alerts import SENSOR, Telling, sensor_of
from alerting_assets.automation.looks import lakehouse_of_looks
from alerting_assets.automation.seen_runs import Patience
from alerting_assets.configuration import ConfiguredDestination
from alerting_assets.delivery import DeliveryRecord, Destination, DestinationType
from alerting_assets.delivery.courier import Clock
from alerting_assets.delivery.mail_server import allowed_hosts, mail_server
from alerting_assets.delivery.own import OwnDelivery
from alerting_assets.deployment.reached import configured_destinations, destination_of, usable
from alerting_assets.errors import LakehouseError
from alerting_assets.failures.receivers import is_pagerduty, look_up, needs_table
from alerting_assets.failures.routes import Routes
from alerting_assets.failures.store import OUTBOX
from alerting_assets.lakehouse.deliveries import delivery_log
from alerting_assets.settings import NOTIFY_FILE, Settings
from alerting_assets.workspace.local.inbox import inbox_mail_server

_log = logging.getLogger(__name__)

_KNOWN_FOR = {"warehouse": 3600.0}
"""Seconds for which the table is not asked again whom there is: where asking keeps a warehouse running, for longer."""


def own_failure_alerts(settings: Settings, *, clock: Clock = lambda: datetime.now(UTC)) -> dg.SensorDefinition:
    """Raises SettingsError where ALERTING_NOTIFY is wrong."""
    others = receivers_of(settings.notify or "", "ALERTING_NOTIFY")
    book = _Book(settings)
    span = timedelta(minutes=settings.stuck_minutes)

    def log(records: Sequence[DeliveryRecord]) -> None:
        with lakehouse_of_looks(settings) as lakehouse:
            delivery_log(lakehouse)(records)

    def telling(context: dg.SensorEvaluationContext) -> Telling:
        folder = folder_of(settings.home, context)
        routes = book.checked(routes_in(settings.definitions / NOTIFY_FILE, others, is_needed=False))
        return Telling(
            folder,
            routes,
            OwnDelivery(
                folder / OUTBOX,
                lambda receiver: look_up(receiver, book.destination),
                mail_server=lambda: mail_server() or inbox_mail_server(settings.workspace_root),
                allowed_hosts=allowed_hosts(),
                log=log,
                clock=clock,
            ),
            single=[one for one in routes.receivers if is_pagerduty(one) or book.is_pagerduty(one)],
            url=settings.dagster_url,
            patience=Patience(span, span),
        )

    return sensor_of(telling, name=SENSOR, seconds=SECONDS, running=True, clock=clock)


class _Book:
    """The destinations of our table, asked for only where somebody names one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, ConfiguredDestination] | None = None
        self._known_since = 0.0

    def checked(self, routes: Routes) -> Routes:
        """Without those that cannot be reached, each a problem. Where the table cannot be read, nothing is left out: the messages wait."""
        if not any(needs_table(one) for one in routes.receivers):
            return routes
        known = self._usable()
        return routes if known is None else routes.only_known(known)

    def is_pagerduty(self, receiver: str) -> bool:
        one = (self._known or {}).get(receiver)
        definition = one.definition if one else None
        return definition is not None and definition.destination_type is DestinationType.PAGERDUTY

    def destination(self, destination_id: str) -> Destination:
        with lakehouse_of_looks(self._settings) as lakehouse:
            return destination_of(destination_id, configured_destinations(lakehouse, self._settings), self._settings)

    def _usable(self) -> Collection[str] | None:
        age = time.monotonic() - self._known_since
        if self._known is None or age > _KNOWN_FOR.get(self._settings.lakehouse, 0.0):
            try:
                with lakehouse_of_looks(self._settings) as lakehouse:
                    self._known = configured_destinations(lakehouse, self._settings)
            except LakehouseError as error:
                _log.warning("who can be told is not known at the moment: %s", error)
                return None
            self._known_since = time.monotonic()
        return usable(self._known)
