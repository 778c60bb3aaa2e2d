"""Update masks, for any body and any mask."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.workspace.local.alert_body import ALERT, Message, apply_mask, read_body, value_at
from alerting_assets_tests.workspace.bodies import alert_body

pytestmark = pytest.mark.unit


def leaf_paths(message: Message, prefix: str = "") -> list[str]:
    found = []
    for name, spec in message.fields.items():
        path = f"{prefix}{name}"
        if name not in message.output_only and path != "parent_path":
            found += [path, *(leaf_paths(spec, path + ".") if isinstance(spec, Message) else [])]
    return found


MASKS = st.lists(st.sampled_from(leaf_paths(ALERT)), min_size=1, max_size=6, unique=True)
THRESHOLDS = st.one_of(
    st.none(),
    st.builds(lambda value: {"value": {"double_value": value}}, st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(lambda value: {"value": {"string_value": value}}, st.text(max_size=5)),
    st.builds(lambda value: {"value": {"bool_value": value}}, st.booleans()),
    st.builds(lambda name: {"column": {"name": name}}, st.text(min_size=1, max_size=5)),
)
BODIES = st.builds(
    alert_body,
    display_name=st.text(min_size=1, max_size=8),
    query_text=st.text(min_size=1, max_size=8),
    custom_summary=st.one_of(st.none(), st.text(max_size=8)),
    evaluation__threshold=THRESHOLDS,
    evaluation__notification=st.one_of(
        st.none(),
        st.builds(
            lambda notify, emails: {"notify_on_ok": notify, "subscriptions": [{"user_email": one} for one in emails]},
            st.booleans(),
            st.lists(st.just("a@b"), max_size=2),
        ),
    ),
    schedule__pause_status=st.sampled_from([None, "PAUSED", "UNPAUSED"]),
)


@given(stored=BODIES, changes=BODIES, mask=MASKS)
def test_masked_fields_come_from_the_change_and_nothing_is_left_half_set(
    stored: dict[str, Any], changes: dict[str, Any], mask: list[str]
) -> None:
    before = copy.deepcopy((stored, changes))
    updated = apply_mask(stored, changes, ",".join(mask))
    assert (stored, changes) == before
    assert read_body(updated) == updated  # never two members of a one-of
    last = mask[-1]
    assert (value_at(updated, last) or None) == (value_at(changes, last) or None)
    for path in ("display_name", "query_text", "custom_summary", "schedule.timezone_id"):
        if not any(path == one or path.startswith(one + ".") for one in mask):
            assert value_at(updated, path) == value_at(stored, path)


@given(stored=BODIES, changes=BODIES, mask=MASKS)
def test_the_same_update_twice_changes_nothing_more(
    stored: dict[str, Any], changes: dict[str, Any], mask: list[str]
) -> None:
    once = apply_mask(stored, changes, ",".join(mask))
    assert apply_mask(once, changes, ",".join(mask)) == once


@given(stored=BODIES, changes=BODIES)
def test_a_star_replaces_all_but_what_the_service_owns(stored: dict[str, Any], changes: dict[str, Any]) -> None:
    updated = apply_mask({**stored, "id": "1", "parent_path": "/here"}, {**changes, "parent_path": "/there"}, "*")
    assert updated == {**changes, "id": "1", "parent_path": "/here"}


def test_a_threshold_of_another_type_replaces_the_old_one() -> None:
    changes = {"evaluation": {"threshold": {"value": {"string_value": "x"}}}}
    updated = apply_mask(alert_body(), changes, "evaluation.threshold.value.string_value")
    assert updated["evaluation"]["threshold"] == {"value": {"string_value": "x"}}


def test_subscriptions_are_replaced_as_a_whole_and_cleared_when_absent() -> None:
    mask = "evaluation.notification.subscriptions"
    updated = apply_mask(alert_body(), {"evaluation": {"notification": {}}}, mask)
    assert updated["evaluation"]["notification"] == {"notify_on_ok": True}


@pytest.mark.parametrize("mask", ["evaluation", "*"])
def test_replacing_the_evaluation_keeps_the_state_that_the_service_set(mask: str) -> None:
    stored = alert_body(evaluation__state="TRIGGERED", evaluation__last_evaluated_at="2026-01-01T00:00:00.000Z")
    updated = apply_mask(stored, alert_body(evaluation__comparison_operator="LESS_THAN"), mask)
    assert updated["evaluation"]["state"] == "TRIGGERED"
    assert updated["evaluation"]["comparison_operator"] == "LESS_THAN"
