"""The log of messages that are over, as rows of `alert_deliveries`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from alerting_assets.delivery import DeliveryRecord
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_DELIVERIES


def delivery_log(lakehouse: Lakehouse) -> Callable[[Sequence[DeliveryRecord]], None]:
    """Stores each delivery once, however often it is told."""

    def store(records: Sequence[DeliveryRecord]) -> None:
        rows = [
            {
                "delivery_id": one.delivery_id,
                "event": one.event.value,
                "event_id": one.event_id,
                "destination_id": one.destination_id,
                "alert_id": one.alert_id,
                "incident_id": one.incident,
                "attempted_at": one.attempted_at,
                "outcome": one.outcome.value,
                "attempts": one.attempts,
                "response": one.response,
                "sent_as": one.sent_as,
            }
            for one in records
        ]
        table = pa.Table.from_pylist(rows, schema=arrow_schema(ALERT_DELIVERIES))
        lakehouse.merge(ALERT_DELIVERIES.name, table, on=ALERT_DELIVERIES.key, update=())

    return store
