"""`alerting anomaly train | review | versions | rollback`: registered models of what is expected."""

from __future__ import annotations

from typing import Annotated

import typer

from alerting_assets.cli.context import (
    FINDINGS,
    Json,
    console,
    existing_lakehouse,
    now,
    print_json,
    print_table,
    progress,
    settings,
)
from alerting_assets.configuration import read_rows, target_of, to_alerts
from alerting_assets.errors import SettingsError
from alerting_assets.evaluation.batch import Limits
from alerting_assets.suppression.modelled import modelled_alerts
from alerting_assets.suppression.registry import ModelRegistry, Version
from alerting_assets.suppression.review import Reviewed, review_alerts, review_rows
from alerting_assets.suppression.train import gate_table, metrics_of, train_models
from alerting_assets.suppression.young import backfill_young
from alerting_assets.validation import policy_of

NO_MODEL = "No alert has a model. `alerting config set ALERT_ID ml_model_enabled=true` begins to try one out."


def train(as_json: Json = False) -> None:
    """Learn what is expected of every alert with a model, judge it by a replay of four weeks, and let it serve where it passes.

    Of alerts that got their model lately the past is computed first, as by `alerting anomaly backfill`.
    Dagster does that once a day. Exit code 1: some alerts are left out, or nothing was promoted."""
    chosen, moment = settings(), now()
    registry = ModelRegistry(chosen)
    with existing_lakehouse(chosen) as tables, progress("train") as advance:
        configured = to_alerts(read_rows(tables), target_of(chosen))
        alerts, limits = modelled_alerts(configured), Limits(chosen.query_seconds, chosen.evaluation_seconds)
        backfill_young(tables, configured, policy_of(chosen), moment, limits, advance)
        training = train_models(tables, registry, alerts, moment, advance)
    gate, version = training.gate, training.version
    if as_json:
        print_json(
            {
                "model": registry.model,
                "version": version.version if version else None,
                "is_serving": training.is_serving,
                "refusal": gate.refusal,
                "seconds": training.seconds,
                "metrics": metrics_of(gate),
                "alerts": gate_table(gate, len(gate.rows)),
            }
        )
    elif version is None:
        console.print(NO_MODEL)
    else:
        rows = gate_table(gate)
        print_table("Replay of the last 28 days", tuple(rows[0]), [list(row.values()) for row in rows])
        state = "It serves." if training.is_serving else f"It does not serve: {gate.refusal}."
        console.print(
            f"Version {version.version} of {registry.model}, in {training.seconds:.1f} s. {state}", soft_wrap=True
        )
    if gate.failed:
        raise typer.Exit(FINDINGS)


def review(as_json: Json = False) -> None:
    """Every alert with a model: its tier and why, whether its values drift, and what to do about it. Changes nothing.

    Exit code 1: some alert needs somebody."""
    chosen = settings()
    with existing_lakehouse(chosen) as tables:
        alerts = modelled_alerts(to_alerts(read_rows(tables), target_of(chosen)))
        found = review_alerts(tables, alerts, now())
    if as_json:
        print_json({"alerts": [_reviewed_json(one) for one in found]})
    elif not found:
        console.print(NO_MODEL)
    else:
        rows = review_rows(found)
        print_table("Models", tuple(rows[0]), [list(row.values()) for row in rows])
    if any(one.advice is not None for one in found):
        raise typer.Exit(FINDINGS)


def versions(as_json: Json = False) -> None:
    """The versions of the registered model, the newest first, and which of them serves."""
    registry = ModelRegistry(settings())
    found = registry.versions()
    if as_json:
        print_json([_json(one) for one in found])
    elif not found:
        console.print("Nothing was trained yet: `alerting anomaly train` does that.")
    else:
        print_table(
            registry.model,
            ("version", "trained (UTC)", "gate", "serves"),
            [
                [
                    one.version,
                    f"{one.trained_at:%Y-%m-%d %H:%M}" if one.trained_at else None,
                    "passed" if one.passed else "failed",
                    "yes" if one.serves else None,
                ]
                for one in found
            ],
        )


def rollback(
    to: Annotated[
        str | None, typer.Option(help="The version that is to serve; without: the one before that passed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let an earlier version serve again. Ranges come from it with the next refresh; until then those that are written count.

    The next training that passes its gate serves again: switch it off in Dagster to stay."""
    registry = ModelRegistry(settings())
    found = registry.versions()
    serving = next((one for one in found if one.serves), None)
    chosen = _chosen(found, serving, to)
    registry.serve(chosen.version)
    if as_json:
        print_json({"model": registry.model, "from": serving.version if serving else None, "to": chosen.version})
        return
    console.print(
        f"Version {chosen.version} of {registry.model} serves. `alerting anomaly refresh` writes its ranges now."
    )


def _chosen(found: list[Version], serving: Version | None, to: str | None) -> Version:
    if to is not None:
        named = next((one for one in found if one.version == to), None)
        if named is None:
            raise SettingsError(
                f"--to: there is no version {to!r}; there are {', '.join(one.version for one in found) or 'none'}"
            )
        return named
    earlier = [one for one in found if one.passed and (serving is None or int(one.version) < int(serving.version))]
    if not earlier:
        raise SettingsError("there is no earlier version that passed the gate; --to names one")
    return earlier[0]


def _json(one: Version) -> dict[str, object]:
    return {"version": one.version, "trained_at": one.trained_at, "passed": one.passed, "serves": one.serves}


def _reviewed_json(one: Reviewed) -> dict[str, object]:
    return {
        "alert_id": one.alert.alert_id,
        "tier": one.tier,
        "reason": one.reason,
        "far_lately": one.drift.lately if one.drift else None,
        "far_before": one.drift.before if one.drift else None,
        "has_drifted": one.has_drifted,
        "decided": one.lately.decided,
        "held": one.lately.held,
        "advice": one.advice,
    }
