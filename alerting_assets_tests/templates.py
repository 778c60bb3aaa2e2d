"""A template that tests change, and definitions that use it."""

from __future__ import annotations

from typing import Any

from alerting_assets.alerts.templates import AlertTemplate, parse_template

TEXT = """\
template_id: OWN_RATE
template_name: Failures of ${job} over ${threshold_pct} %
description: Percent of runs that fail.
agent_domain: RELIABILITY
severity: CRITICAL
parameters:
  threshold_pct: {type: number, description: Percent of runs that fail, default: 10, min: 0, max: 100}
  lookback_hours: {type: integer, description: Hours looked back, default: 24, min: 1, max: 720}
  job: {type: string, description: The job}
  states: {type: strings, description: What counts as failed, default: [FAILED]}
  runs: {type: table, description: The table of runs, default: runs}
  ended: {type: column, description: When a run ended, default: end_time}
  strict: {type: boolean, description: Whether retries count, default: false}
  zone: {type: string, description: Whose runs, default: eu, choices: [eu, us]}
query: |
  SELECT AVG(CASE WHEN state IN ${states} THEN 100 ELSE 0 END) AS pct
  FROM ${runs}
  WHERE ${ended} > CURRENT_TIMESTAMP() - INTERVAL ${lookback_hours} HOURS
    AND job = ${job} AND (${strict} OR retries = 0) AND zone = '${zone}'
  HAVING COUNT(*) > 0
aggregation_column: pct
operator: GREATER_THAN
threshold_value_double: ${threshold_pct}
schedule_cron: 15 5 * * * ?
tests:
  - name: all fail
    params: {job: nightly}
    as_of: 2026-11-02T12:00:00Z
    columns: {runs: {state: string, end_time: timestamp, job: string, retries: int, zone: string}}
    given: {runs: [{state: FAILED, end_time: -1h, job: nightly, retries: 0, zone: eu}]}
    expect: {state: TRIGGERED, value: 100}
"""

ALERT = """\
alerts:
  - alert_id: REL-100
    template_id: OWN_RATE
    template_params: {job: nightly, threshold_pct: 25}
    owner: me@example.com
"""


def template(text: str = TEXT) -> AlertTemplate:
    return parse_template("own_rate.yml", text)


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


PARAMS: dict[str, Any] = {"job": "nightly"}
