"""What is expected of the alerts that have a model: learned once a day, judged by a replay, and registered in MLflow."""

import dagster as dg

from alerting_assets.assets.configurations import GROUP, OWNERS
from alerting_assets.assets.history import ALERT_HISTORY_KEY
from alerting_assets.assets.incidents import ALERT_INCIDENTS_KEY
from alerting_assets.assets.tables import listed, picture, table
from alerting_assets.configuration import read_rows, to_alerts
from alerting_assets.evaluation.batch import Limits
from alerting_assets.resource import AlertingResource
from alerting_assets.suppression.gate import REPLAYED
from alerting_assets.suppression.modelled import modelled_alerts
from alerting_assets.suppression.registry import ModelRegistry
from alerting_assets.suppression.train import Training, gate_table, metrics_of, train_models
from alerting_assets.suppression.young import backfill_young

ANOMALY_MODEL_KEY = dg.AssetKey("anomaly_model")
BACKTEST_GATE = dg.AssetCheckKey(ANOMALY_MODEL_KEY, "backtest_gate")


@dg.asset(
    key=ANOMALY_MODEL_KEY,
    deps=[ALERT_HISTORY_KEY, ALERT_INCIDENTS_KEY],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"mlflow"},
    check_specs=[
        dg.AssetCheckSpec(
            BACKTEST_GATE.name,
            asset=ANOMALY_MODEL_KEY,
            description=(
                f"A replay of the last {REPLAYED.days} days loses no incident that people labelled as true, and holds back no more than "
                "its budget. An alert that fails is left out; where many fail, the version before goes on serving."
            ),
        )
    ],
    description=(
        "What is usual for every alert with a model, by the hour of its day, from eight weeks of its own evaluations. All alerts are one "
        "version of one registered model; the alias `serving` says which version counts."
    ),
)
def anomaly_model(context: dg.AssetExecutionContext, alerting: AlertingResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it
    lakehouse, settings = alerting.get_lakehouse(), alerting.settings
    registry = ModelRegistry(settings)
    configured, now = to_alerts(read_rows(lakehouse), alerting.target), alerting.now()
    alerts = modelled_alerts(configured)
    context.log.info("%d alerts have a model", len(alerts))
    limits = Limits(settings.query_seconds, settings.evaluation_seconds)
    for one in backfill_young(lakehouse, configured, alerting.policy, now, limits):
        context.log.info("%s: %s", one.alert_id, one.refused or f"{one.moments} past moments computed")
    training = train_models(lakehouse, registry, alerts, now)
    pictures = {f"replay of {alert_id}": picture(alert_id, png) for alert_id, png in training.pictures.items()}
    version = training.version
    return dg.MaterializeResult(
        metadata={
            **{name: round(value, 4) for name, value in metrics_of(training.gate).items()},
            "seconds": round(training.seconds, 2),
            "registered_model": registry.model,
            "version": version.version if version is not None else "none: no alert has a model",
            "serves": training.is_serving,
            "gate": table(gate_table(training.gate)),
            **pictures,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=BACKTEST_GATE.name,
                passed=not training.gate.failed,
                severity=dg.AssetCheckSeverity.ERROR if training.gate.refusal else dg.AssetCheckSeverity.WARN,
                description=_verdict(training),
            )
        ],
    )


def _verdict(training: Training) -> str:
    gate = training.gate
    if gate.refusal is not None:
        return f"not promoted: {gate.refusal}. What serves stays as it was" + listed(
            [one.alert_id for one in gate.failed]
        )
    if not gate.failed:
        return f"{len(gate.rows)} alerts pass"
    reasons = "; ".join(f"{one.alert_id}: {one.failure}" for one in gate.failed[:5])
    return f"{len(gate.failed)} of {len(gate.rows)} alerts are left out, and everything of them is told. {reasons}"
