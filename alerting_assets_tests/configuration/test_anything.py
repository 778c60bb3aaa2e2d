"""Whatever a person writes costs that person's alert: tried with thousands of wrong entries and rows."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from alerting_assets.alerts.definitions import read_definitions
from alerting_assets.configuration.rows import as_table, to_alerts
from alerting_assets.configuration.templates import TemplateCatalog
from alerting_assets_tests.anything import ANYTHING, entries, rows, sound_row
from alerting_assets_tests.configuration.test_load import NOW
from alerting_assets_tests.examples import TARGET, values
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.unit

OURS = "fault of alerting_assets"
ANN = json.dumps({"alerts": [values(alert_id="ANN-1"), values(alert_id="ANN-2", operator="GREATER")]})
TEMPLATES = TemplateCatalog()
PIECES = [
    "", " ", "\n", "\t", ":", "- ", "[", "]", "{", '"', "'", "&a ", "*a", "<<: *a\n", "!!x ", "#", "|", "\0", "💸", "%",
]  # fmt: skip


def check(bob: str) -> int:
    """Reads Bob's file beside Ann's, follows what can be used to the end, and returns how many of his alerts that is."""
    found = read_definitions({"ann.yml": ANN, "bob.yml": bob}, TEMPLATES)
    told = [str(problem) for problem in found.problems]
    assert not [text for text in told if OURS in text]
    ids = {alert.alert_id for alert in found.alerts}
    assert "ANN-1" in ids or "ANN-1" in bob, "Ann's alert is not Bob's"
    assert [text for text in told if text.startswith("ann.yml:1: alert ANN-2 operator")]
    table = as_table(found.alerts, NOW)
    stored = [
        {**row, "tags": _map(row["tags"]), "template_params": _map(row["template_params"])} for row in table.to_pylist()
    ]
    for alert in to_alerts([{**sound_row("X"), **row} for row in stored], TARGET):
        if alert.compiled is None:
            assert OURS not in str(alert.problems)
            continue
        json.dumps(alert.compiled.body("0" * 32), allow_nan=False).encode()
        assert alert.configuration == next(one for one in found.alerts if one.alert_id == alert.alert_id)
    return len(ids - {"ANN-1"})


def _map(pairs: Any) -> Any:
    return None if pairs is None else dict(pairs)


def as_yaml(entries: list[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    try:
        YAML().dump({"alerts": entries}, stream)
    except (YAMLError, UnicodeEncodeError):  # halves of characters: JSON can write those
        return json.dumps({"alerts": entries}, default=str)
    return stream.getvalue()


@examples(40, 1_000)
@given(st.data())
def test_an_entry_of_a_file_costs_its_own_alert_only(data: st.DataObject) -> None:
    written = [data.draw(entries(f"BOB-{number}")) for number in range(10)]
    sound = values(alert_id="BOB-99", alert_query_template="SELECT 150.0 AS cost")
    found = check(as_yaml([*written, sound]))
    assert found >= 1 or any(entry.get("alert_id") == "BOB-99" for entry in written)


@examples(100, 5_000)
@given(ANYTHING)
def test_a_file_may_hold_anything(value: Any) -> None:
    text = as_yaml([{"x": value}]).replace("alerts:\n- x:", "alerts:", 1)
    check(text)


@examples(100, 5_000)
@given(st.data())
def test_a_file_may_be_damaged_anywhere(data: st.DataObject) -> None:
    text = as_yaml([values(alert_id="BOB-1", tags={"a": "b"}, notification_channels=["a@example.com"])])
    at = data.draw(st.integers(0, len(text)))
    until = min(len(text), at + data.draw(st.integers(0, 12)))
    put = data.draw(st.sampled_from(PIECES))
    check(text[:at] + put + text[until:])


@examples(60, 1_000)
@given(st.data())
def test_a_row_costs_its_own_alert_only(data: st.DataObject) -> None:
    made = [data.draw(rows(f"BOB-{number}")) for number in range(10)]
    for row in made:
        for name in ("tags", "template_params"):
            row[name] = _map(row[name])
    good = sound_row("ANN-1")
    found = {alert.alert_id: alert for alert in to_alerts([good, *made], TARGET)}
    assert found["ANN-1"] == to_alerts([good], TARGET)[0]
    assert found.keys() == {"ANN-1", *(row["alert_id"] for row in made)}
    for alert in found.values():
        assert (alert.compiled is None) == bool(alert.problems)
        assert OURS not in str(alert.problems)
        if alert.compiled is not None:
            json.dumps(alert.compiled.body("0" * 32), allow_nan=False).encode()
