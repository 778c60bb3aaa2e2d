"""What is expected of the alerts that have a model, written ahead for the queries that are deployed."""

import dagster as dg

from alerting_assets.assets.configurations import GROUP, OWNERS
from alerting_assets.assets.history import ALERT_HISTORY_KEY
from alerting_assets.assets.tables import Cell, picture, table
from alerting_assets.configuration import EXPECTED_EVENT, load_listed, read_rows, to_alerts
from alerting_assets.lakehouse.tables import EXPECTED_RANGES
from alerting_assets.resource import AlertingResource
from alerting_assets.suppression.modelled import modelled_alerts
from alerting_assets.suppression.picture import most_held, picture_of
from alerting_assets.suppression.refresh import Refresh, refresh
from alerting_assets.suppression.registry import loader
from alerting_assets.suppression.status import troubles

ANOMALY_MODEL_KEY = dg.AssetKey("anomaly_model")
EXPECTED_RANGES_KEY = dg.AssetKey("expected_ranges")

SUPPRESSION_IS_SOUND = dg.AssetCheckSpec(
    "suppression_is_sound",
    asset=EXPECTED_RANGES_KEY,
    description=(
        "Every alert with a model has a range, from a model of the last two weeks, and holds no more than its budget. Where that is not so "
        "it tells everything."
    ),
)


@dg.asset(
    key=EXPECTED_RANGES_KEY,
    deps=[ANOMALY_MODEL_KEY, ALERT_HISTORY_KEY],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"deltalake"},
    check_specs=[SUPPRESSION_IS_SOUND],
    description=(
        "One row an alert with a model and an hour: which values are expected. The ranges of the next three hours are written from the "
        "model that serves and from what happened until now; deployed queries read them, and hold back what lies within. Ranges run out "
        "by themselves: when this asset is not refreshed, everything is told."
    ),
)
def expected_ranges(context: dg.AssetExecutionContext, alerting: AlertingResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it
    lakehouse, settings, now = alerting.get_lakehouse(), alerting.settings, alerting.now()
    alerts = modelled_alerts(to_alerts(read_rows(lakehouse), alerting.target))
    events = load_listed(EXPECTED_EVENT, lakehouse, settings.definitions, now, strict=settings.strict)
    done = refresh(lakehouse, alerts, now, loader(settings))
    notes = [
        *map(str, events.problems),
        *(f"{name}: {why}" for name, why in done.unavailable.items()),
        *troubles(done.alerts),
    ]
    for note in notes:
        context.log.warning("%s", note)
    shown = most_held((one.alert, one.lately) for one in done.alerts if one.until is not None)
    image = {} if shown is None else {"most held": picture(shown.alert_id, picture_of(lakehouse, shown, now))}
    return dg.MaterializeResult(
        metadata={
            "alerts": len(alerts),
            "in_shadow": sum(not alert.is_live for alert in alerts),
            "ranges_written": done.written,
            "open": done.open,
            **{f"closed_{reason.lower()}": count for reason, count in done.closed.items()},
            "held_in_28_days": sum(one.lately.held for one in done.alerts if one.alert.is_live),
            "would_be_held_in_28_days": sum(one.lately.held for one in done.alerts if not one.alert.is_live),
            "not open": table(_not_open(done)),
            **image,
            "dagster/table_name": ".".join([*lakehouse.namespace, EXPECTED_RANGES.name]),
            "delta_version": lakehouse.version(EXPECTED_RANGES.name).version,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=SUPPRESSION_IS_SOUND.name,
                passed=not notes,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(notes)
                or f"{len(alerts)} alerts have a model: {done.open} open ranges, {len(alerts) - done.open} closed",
            )
        ],
    )


def _not_open(done: Refresh) -> list[dict[str, Cell]]:
    return [
        {
            "alert_id": one.alert.alert_id,
            "closed": one.closed,
            "held in 28 days": one.lately.held,
            "of": one.lately.decided,
            "budget": one.alert.budget,
            "model version": one.model_version,
            "error": one.error,
        }
        for one in done.alerts
        if one.closed is not None or one.error is not None
    ]
