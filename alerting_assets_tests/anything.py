"""What people, and programs of people, put into fields: every type, the ends of its range, and texts that break things elsewhere."""

from __future__ import annotations

import string
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from alerting_assets.alerts.configuration import OWNED_COLUMNS
from alerting_assets.alerts.operators import Aggregation, ChangeDirection, Domain, EmptyResultState, Operator, Severity
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS
from alerting_assets_tests.examples import configuration, values

MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)
ENUMS = [
    member.value
    for kind in (Aggregation, ChangeDirection, Domain, EmptyResultState, Operator, Severity)
    for member in kind
]
SOUND = [
    "0 0 8 * * ?", "0 0 22-2 * * ?", "0 0/5 14,18-20 * * ?", "0 0 9 ? * MON#1", "0 0 0 30 2 ?", "0 0 8 * * ? 1999",
    "UTC", "Europe/Berlin", "localtime", "COST_SPIKE", "a@example.com", "sql", "yaml:a.yml", "template",
    "SELECT 1 AS cost", "SELECT COUNT(*) AS cost FROM x", "SELECT 1 AS cost; DROP TABLE x", "SELECT ${days} AS cost", "cost",
    "{{ALERT_NAME}} fired", "<b>{{QUERY_RESULT_VALUE}}</b>",
]  # fmt: skip
NASTY = [
    "", " ", "\n", "\t", "\0", "a\0b", "\x1b[31m", "\x7f", "\u2028", "\ufeff", "💸", "\ud83d", "é" * 300, "A" * 70, "x" * 5_000,
    "'", '"', "`", "\\", "*/", "--", "${", "${catalog", "{{", "}}", "<script>", "[red]", "%s", "{}", "[", "NULL", "null", "true", "~",
    "1e999", "-0", "NaN", "2026-99-99", "../../etc/passwd", "$(reboot)", ",", ";", "a;b", "|", "(" * 50, "[a-", "(?i)x", "\\d+", "^$",
]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from([*ENUMS, *SOUND, *NASTY]),
    st.sampled_from(ENUMS).map(str.lower),
    st.text(max_size=20),
    st.text(string.ascii_uppercase + string.digits + "_-", min_size=1, max_size=8),
)
INTEGERS = st.sampled_from([0, 1, -1, 2, 60, 100, 101, 2**31 - 1, 2**31, 2**63 - 1, -(2**63)]) | st.integers(-5, 10**6)
NUMBERS = st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, 100.0]) | st.floats()
SCALARS = st.one_of(
    st.none(), st.booleans(), INTEGERS, st.sampled_from([2**63, 10**400]), NUMBERS, TEXTS,
    st.just(MOMENT), st.just(MOMENT.replace(tzinfo=None)), st.just(date(2026, 1, 1)),
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
FIELDS = st.sampled_from([*OWNED_COLUMNS, "databricks_alert_id", "ownr", "", "<<"])


@st.composite
def entries(draw: st.DrawFn, alert_id: str) -> dict[str, Any]:
    """An entry of a file that is sound but for a few fields. It may lack anything but its id, and may claim another one."""
    entry: dict[str, Any] = values(alert_id=alert_id, alert_query_template="SELECT 150.0 AS cost")
    for field in draw(st.lists(FIELDS, min_size=1, max_size=4)):
        entry[field] = draw(ANYTHING)
    for field in draw(st.lists(FIELDS, max_size=1)):
        entry.pop(field, None)
    return entry


def _of_type(kind: pa.DataType) -> st.SearchStrategy[Any]:
    types = pa.types
    if types.is_boolean(kind):
        return st.booleans()
    if types.is_floating(kind):
        return NUMBERS
    if types.is_integer(kind):
        bound = 2 ** (kind.bit_width - 1)
        return INTEGERS.map(lambda number: max(-bound, min(bound - 1, number)))
    if types.is_timestamp(kind):
        return st.just(MOMENT)
    if types.is_list(kind):
        return st.lists(st.none() | _of_type(kind.value_type), max_size=3)
    if types.is_map(kind):
        return st.dictionaries(_STORED, _STORED, max_size=2).map(lambda found: list(found.items()))
    return _STORED


_STORED = TEXTS.map(lambda text: text.encode("utf-8", "replace").decode())


@st.composite
def rows(draw: st.DrawFn, alert_id: str) -> dict[str, Any]:
    """A row of alert_configurations that is sound but for a few columns, the sync's own included, each of its column's type."""
    schema = arrow_schema(ALERT_CONFIGURATIONS)
    row = sound_row(alert_id)
    for name in draw(st.lists(st.sampled_from([*schema.names[1:]]), min_size=1, max_size=4)):
        field = schema.field(name)
        kind = _of_type(field.type)
        row[name] = draw(kind | st.none() if field.nullable else kind)
    return row


def sound_row(alert_id: str) -> dict[str, Any]:
    made = configuration(alert_id=alert_id, alert_query_template="SELECT 150.0 AS cost", aggregation_type=None).row()
    return {**dict.fromkeys(ALERT_CONFIGURATIONS.column_names), **made, "created_at": MOMENT}
