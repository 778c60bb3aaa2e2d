from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.incidents.fold import Incident, Row, fold, incident_of, incident_row, state_of, state_row
from alerting_assets_tests.incidents.histories import (
    COMPUTED,
    REOPEN,
    STATE,
    comparable,
    evaluations,
    meant,
    minute,
    row,
    timeline,
)

pytestmark = pytest.mark.unit


def told(incident: Incident) -> tuple[Any, ...]:
    """(minute of opening, minute of recovery, evaluations, times that it was reopened)."""
    moments = (incident.opened_at, incident.resolved_at)
    first, last = (None if one is None else (one - minute(0)).total_seconds() / 60 for one in moments)
    return first, last, incident.evaluations, incident.reopened


@pytest.mark.parametrize(
    ("text", "incidents"),
    [
        ("", []),
        ("OOE", []),
        ("OTTO", [(1, 3, 2, 0)]),
        ("OT", [(1, None, 1, 0)]),
        ("TEEO", [(0, 3, 1, 0)]),
        ("EEO", []),
        ("SSO", []),
        ("TSSO", [(0, 3, 3, 0)]),
        ("TOSS", [(0, 1, 1, 0)]),
        ("TOT", [(0, None, 2, 1)]),
        ("TO..T", [(0, None, 2, 1)]),
        ("TO...T", [(0, 1, 1, 0), (5, None, 1, 0)]),
        ("TOTOTO", [(0, 5, 3, 2)]),
        ("TOOOT", [(0, None, 2, 1)]),
        ("TOOOOT", [(0, 1, 1, 0), (5, None, 1, 0)]),
        ("TOEETSO", [(0, 6, 3, 1)]),
    ],
)
def test_what_opens_goes_on_and_closes(text: str, incidents: list[tuple[Any, ...]]) -> None:
    """Within three minutes of its recovery an incident is reopened."""
    assert [told(incident) for incident in fold(None, timeline(text), REOPEN).incidents] == incidents


def test_without_a_time_for_it_nothing_is_reopened() -> None:
    assert [told(one) for one in fold(None, timeline("TOTO"), timedelta(0)).incidents] == [(0, 1, 1, 0), (2, 3, 1, 0)]


@pytest.mark.parametrize(
    ("values", "operator", "peak"),
    [
        ([5.0, 9.0, 7.0], "GREATER_THAN", 9.0),
        ([5.0, 3.0, 7.0], "LESS_THAN", 3.0),
        ([5.0, 3.0, 7.0], "LESS_THAN_OR_EQUAL", 3.0),
        ([5.0, 3.0], None, 5.0),
        ([None, float("nan"), 4.0, None], "GREATER_THAN", 4.0),
        ([None, float("nan")], "GREATER_THAN", None),
        ([float("-inf"), 1.0], "LESS_THAN", float("-inf")),
    ],
)
def test_the_peak_is_the_worst_number_of_those_that_fired(
    values: list[float | None], operator: str | None, peak: float | None
) -> None:
    rows = [row(number, "T", value, operator=operator) for number, value in enumerate(values)]
    rows.append(row(len(values), "O", 99.0, operator="GREATER_THAN"))
    (incident,) = fold(None, rows, REOPEN).incidents
    assert incident.peak_value == peak


def test_the_recovery_tells_how_long_the_incident_took() -> None:
    folded = fold(None, timeline("OTTEOOTO"), REOPEN)
    assert [one.previous_status for one in folded.seen] == [
        *(None, "OK", "TRIGGERED", "TRIGGERED", "ERROR", "OK", "OK", "TRIGGERED"),
    ]
    assert [one.resolution_time_seconds for one in folded.seen] == [None, None, None, None, 180.0, None, None, 360.0]


def test_the_state_says_since_when_and_what_was_answered() -> None:
    rows = [
        row(0, "O", due_at=minute(0)),
        row(1, "T", evaluated_by="workspace"),
        row(2, "T", 4.0),
        row(3, "T", 5.0, due_at=minute(0.5), note="x"),
    ]
    state = fold(None, rows, REOPEN).state
    assert state is not None
    assert (state.status, state.since, state.due_at, state.workspace_evaluated_at) == (
        *("TRIGGERED", minute(1), minute(1), minute(1)),
    )
    assert (state.newest.query_result_value, state.newest.note) == (5.0, "x")
    assert state.open_incident is not None


def ordered(rows: list[Row], alert_id: str) -> list[Row]:
    return sorted((item for item in rows if item.alert_id == alert_id), key=lambda one: one[1:3])


@given(evaluations(), st.lists(st.integers(0, 25), max_size=4), st.sampled_from([REOPEN, timedelta(0)]))
def test_in_whatever_pieces_it_comes_a_history_means_what_it_means_at_once(
    rows: list[Row], cuts: list[int], reopen: timedelta
) -> None:
    """Between the pieces the state is stored and read again."""
    incidents, states = meant(rows, reopen)
    found = dict[str, Any]()
    for alert_id, expected in states.items():
        of_alert, state = ordered(rows, alert_id), None
        bounds = [0, *sorted(min(cut, len(of_alert)) for cut in cuts), len(of_alert)]
        for start, end in itertools.pairwise(bounds):
            folded = fold(state, of_alert[start:end], reopen)
            for incident in folded.incidents:
                assert incident_of(incident_row(incident)) == incident
                found[incident.incident_id] = {name: incident_row(incident)[name] for name in COMPUTED}
            if folded.state is not None:
                stored = dict.fromkeys(("incident_id", "incident_resolved_at")) | state_row(folded.state)
                state = state_of(stored)
        assert state is not None
        as_row = dict.fromkeys(("incident_id",)) | state_row(state)
        assert comparable({name: as_row[name] for name in (*STATE, "incident_id")}) == comparable(expected)
    assert found == incidents
