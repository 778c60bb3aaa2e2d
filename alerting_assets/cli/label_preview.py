"""`alerting incidents label … --preview`."""

from __future__ import annotations

from alerting_assets.alerts.thresholds import number_text
from alerting_assets.cli.context import console, existing_lakehouse, now, print_json, print_table, settings
from alerting_assets.configuration import read_rows, target_of, to_alerts
from alerting_assets.errors import SettingsError
from alerting_assets.incidents import people

SHOWN = 24


def preview_(incident_id: str, label: people.Label | None, *, as_json: bool) -> None:
    """Show the hours of the next week of which the range changes with the label."""
    from alerting_assets.suppression.modelled import modelled_alerts
    from alerting_assets.suppression.preview import DAYS, preview_label

    chosen, moment = settings(), now()
    with existing_lakehouse(chosen) as tables:
        incident = people.find_incident(tables, chosen.reopen, incident_id).incident
        rows = [row for row in read_rows(tables) if row["alert_id"] == incident.alert_id]
        alerts = modelled_alerts(to_alerts(rows, target_of(chosen)))
        if not alerts:
            raise SettingsError(f"{incident.alert_id} has no model, so a label changes nothing that is told")
        changed = preview_label(tables, alerts[0], incident, label, moment)
    said = label.value if label else "no label"
    if as_json:
        print_json(
            {
                "incident_id": incident.incident_id,
                "alert_id": incident.alert_id,
                "label": label,
                "changed": [one._asdict() for one in changed],
            }
        )
    elif not changed:
        console.print(
            f"With {said} nothing changes in what is expected of {incident.alert_id} in the next {DAYS} days."
        )
    else:
        print_table(
            f"With {said}, of the next {DAYS} days of {incident.alert_id}",
            ("hour (UTC)", "told below", "then", "told above", "then"),
            [
                (f"{one.hour:%a %m-%d %H:%M}", *map(_shown, (one.lower, one.lower_after, one.upper, one.upper_after)))
                for one in changed[:SHOWN]
            ],
        )
        if len(changed) > SHOWN:
            console.print(f"and {len(changed) - SHOWN} more hours")
        console.print("Nothing is written; without --preview the label is.")


def _shown(value: float | None) -> str | None:
    return None if value is None else number_text(value, 4)
