"""Recoveries that the workspace does not tell (incidents/recoveries.py) are sent by us."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from alerting_assets.delivery import DeliveryRecord
from alerting_assets.delivery.mail_server import allowed_hosts, mail_server
from alerting_assets.delivery.own import OwnDelivery, Worked
from alerting_assets.deployment.reached import configured_destinations, destination_of
from alerting_assets.failures.receivers import look_up
from alerting_assets.incidents.recoveries import untold_recoveries
from alerting_assets.lakehouse.deliveries import delivery_log
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.settings import Settings
from alerting_assets.workspace.local.inbox import inbox_mail_server

SECONDS = 10.0
"""So long an evaluation waits for messages at most; what has not arrived by then goes with the next one."""
_OUTBOX = "recoveries.sqlite"


def tell_recoveries(lakehouse: Lakehouse, settings: Settings, now: datetime, seconds: float = SECONDS) -> Worked:
    """Send what there is to tell, and what did not arrive before. The same recovery is told once, whoever calls this how often.

    Raises OutboxUnavailable and LakehouseError; what goes wrong with a receiver is in what is returned."""
    path = settings.home / _OUTBOX
    told = untold_recoveries(lakehouse, settings, now)
    if not told and not path.exists():
        return Worked(0, 0)
    known = configured_destinations(lakehouse, settings)
    delivery = OwnDelivery(
        path,
        lambda receiver: look_up(receiver, lambda name: destination_of(name, known, settings)),
        mail_server=lambda: mail_server() or inbox_mail_server(settings.workspace_root),
        allowed_hosts=allowed_hosts(),
        log=delivery_log(lakehouse),
    )
    with delivery.opened() as post:
        post.put(told)
        return post.work(seconds)


def recoveries_json(worked: Worked) -> dict[str, Any]:
    return {"told": worked.sent, "waiting": worked.waiting, "lost": [_lost(one) for one in worked.lost]}


def recoveries_in_words(worked: Worked) -> list[str]:
    """Sentences, none where nothing happened."""
    found = [f"Recoveries of silenced and held alerts told by us: {worked.sent}"] if worked.sent else []
    if worked.waiting:
        found.append(f"Recoveries that have not arrived yet: {worked.waiting}; they are sent with the next evaluations")
    return found + [f"A recovery was not told: {_lost(one)}" for one in worked.lost]


def _lost(record: DeliveryRecord) -> str:
    return f"{record.alert_id} to {record.destination_id}: {record.response}"
