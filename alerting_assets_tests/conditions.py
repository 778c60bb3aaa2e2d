"""Random conditions of every operator, for property tests: fields of a configuration, by hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from alerting_assets.alerts.operators import OPERATORS, Needs, Operator, ValueType
from alerting_assets.alerts.thresholds import NUMBER

THRESHOLDS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.5, 100.0, 1e15]) | st.floats(
    allow_nan=False, allow_infinity=False
)
TEXTS = st.sampled_from(["", "a", "A", "é", "日本", "O'Brien", "\\x", "a b", "true", "1"]) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=6
)
PATTERNS = st.sampled_from(
    [
        "^a",
        "a$",
        "a|b",
        "^$",
        "[0-9]+",
        r"\d{2,3}",
        r"^\w+$",
        r"\s",
        "é",
        ".",
        "^.$",
        "[^a-z]",
        "(ab)*c",
        r"a\.b",
        "日|本",
        r"[\\]",
    ]
)


@st.composite
def condition_fields(draw: st.DrawFn, operators: list[Operator]) -> dict[str, Any]:
    """operator and thresholds; threshold_value_double is always among them, None where it does not belong."""
    operator = draw(st.sampled_from(operators))
    rule = OPERATORS[operator]
    fields: dict[str, Any] = {"operator": operator.value, "threshold_value_double": None}
    match rule.needs:
        case Needs.VALUE:
            match draw(st.sampled_from(sorted(rule.value_types))):
                case ValueType.NUMBER:
                    fields["threshold_value_double"] = draw(THRESHOLDS)
                case ValueType.STRING:
                    fields["threshold_value_string"] = draw(TEXTS)
                case _:
                    fields["threshold_value_bool"] = draw(st.booleans())
        case Needs.RANGE:
            fields["threshold_value_min"], fields["threshold_value_max"] = sorted([draw(THRESHOLDS), draw(THRESHOLDS)])
        case Needs.LIST:
            fields["threshold_value_list"] = draw(lists())
        case Needs.PATTERN:
            fields["threshold_value_string"] = draw(PATTERNS)
        case Needs.CHANGE:
            fields["threshold_value_double"] = draw(
                st.sampled_from([10.0, 20.0, 50.0, 100.0, 0.5]) | st.floats(0.001, 1e6)
            )
            fields["change_direction"] = draw(st.sampled_from(["INCREASE", "DECREASE", "EITHER"]))
        case Needs.NOTHING:
            pass
    return fields


@st.composite
def lists(draw: st.DrawFn) -> list[str]:
    match draw(st.sampled_from([ValueType.NUMBER, ValueType.STRING, ValueType.BOOLEAN])):
        case ValueType.NUMBER:
            return [repr(value) for value in draw(st.lists(THRESHOLDS, min_size=1, max_size=4))]
        case ValueType.STRING:
            texts = draw(st.lists(TEXTS, min_size=1, max_size=4))
            return [f"'{text}'" if NUMBER.fullmatch(text) or text in ("true", "false") else text for text in texts]
        case _:
            return [str(value).lower() for value in draw(st.lists(st.booleans(), min_size=1, max_size=2))]
