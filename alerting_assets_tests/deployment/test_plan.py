"""Every decision of the plan, as a table of situations; and its invariants over random workspaces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.marker import Marker, mark
from alerting_assets.deployment import Action, Choices, DesiredAlert, Plan, Reason, SyncState, make_plan
from alerting_assets.deployment.actions import AdoptAsItIs, Create, Pause, Update
from alerting_assets.deployment.plan import mass_deletion, without_mass_deletion
from alerting_assets.deployment.registry import Deployed, Registry
from alerting_assets.workspace.port import RemoteAlert
from alerting_assets_tests.examples import TARGET, compiled

pytestmark = pytest.mark.unit

HOST = "https://here"
N1, N2, N3 = "1" * 32, "2" * 32, "3" * 32


def alert(alert_id: str = "A", **changes: Any) -> CompiledAlert:
    return compiled(alert_id=alert_id, **changes)


def deployed(remote_id: str, nonce: str = N1, of: CompiledAlert | None = None, **changes: Any) -> RemoteAlert:
    """As the service answers: with the fields that it adds, without those it omits."""
    body = (of or alert()).body(nonce)
    body["evaluation"]["notification"].pop("notify_on_ok")
    body["evaluation"]["state"] = "OK"
    return RemoteAlert(
        remote_id, {**body, "id": remote_id, "lifecycle_state": "ACTIVE", "parent_path": "/Users/x", **changes}
    )


def foreign(remote_id: str, query: str = "SELECT 1") -> RemoteAlert:
    return RemoteAlert(remote_id, {"id": remote_id, "display_name": "[WARNING] Daily cost", "query_text": query})


def stored(remote_id: str | None = "r1", nonce: str | None = N1, host: str = HOST) -> SyncState:
    return SyncState("A", remote_id, host, "[WARNING] Daily cost", nonce, alert().config_hash, "CREATED")


def plan(
    remote: list[RemoteAlert],
    state: SyncState | None = None,
    desired: list[DesiredAlert] | None = None,
    environment: str = "test",
    **more: Any,
) -> Plan:
    wanted = [DesiredAlert.deploy(alert())] if desired is None else desired
    known = {state.alert_id: state} if state else {}
    return make_plan(wanted, remote, known, environment=environment, host=HOST, **more)


def brief(made: Plan) -> list[tuple[str, str | None]]:
    return [(action.action.value, action.remote_id) for action in made.actions]


@pytest.mark.parametrize(
    ("situation", "remote", "state", "expected", "notes"),
    [
        ("nothing anywhere", [], None, [("CREATE", None)], 0),
        ("deployed and known", [deployed("r1")], stored(), [("UNCHANGED", "r1")], 0),
        ("known, and gone from the workspace", [foreign("x")], stored(), [("CREATE", None)], 0),
        ("known, and trashed", [deployed("r1", lifecycle_state="DELETED")], stored(), [("CREATE", None)], 0),
        ("created, answer lost: nonce is stored", [deployed("r1")], stored(None), [("ADOPT", "r1")], 0),
        ("state lost, deployed", [deployed("r1")], None, [("ADOPT", "r1")], 0),
        (
            "another workspace's state, deployed here",
            [deployed("r1")],
            stored("r1", host="https://there"),
            [("ADOPT", "r1")],
            0,
        ),
        ("another workspace's state, nothing here", [], stored("r1", host="https://there"), [("CREATE", None)], 0),
        ("cloned by somebody", [deployed("r1"), deployed("c")], stored(), [("UNCHANGED", "r1")], 1),
        ("a clone that lists first", [deployed("c"), deployed("r1")], stored(), [("UNCHANGED", "r1")], 1),
        (
            "a leftover of an ambiguous create",
            [deployed("r1"), deployed("r2", N2)],
            stored(),
            [("DELETE", "r2"), ("UNCHANGED", "r1")],
            0,
        ),
        (
            "answer lost twice",
            [deployed("r1", N1), deployed("r2", N2)],
            stored(None, N2),
            [("ADOPT", "r2"), ("DELETE", "r1")],
            0,
        ),
        (
            "state lost, several: the oldest",
            [deployed("r1", N1), deployed("r2", N2)],
            None,
            [("ADOPT", "r1"), ("DELETE", "r2")],
            0,
        ),
        ("stored id with a newer marker", [deployed("r1", N2)], stored("r1", N1), [("UNCHANGED", "r1")], 0),
        ("its query was replaced", [foreign("r1")], stored(), [("HELD", "r1")], 0),
        ("its query was replaced, a clone is there", [foreign("r1"), deployed("c")], stored(), [("HELD", "r1")], 0),
    ],
)
def test_a_deployed_alert_is_recognised(
    situation: str,
    remote: list[RemoteAlert],
    state: SyncState | None,
    expected: list[tuple[str, str | None]],
    notes: int,
) -> None:
    made = plan(remote, state)
    assert brief(made) == expected, situation
    assert len(made.notes) == notes


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        mark("SELECT 1", Marker("A", "other", N1)),
        " " + mark("SELECT 1", Marker("A", "test", N1)),
        mark("SELECT 1", Marker("A", "test", N1)).replace("nonce=1", "nonce=x"),
        "",
    ],
)
def test_what_bears_no_marker_of_this_environment_is_never_touched(query: str) -> None:
    made = plan([foreign("x", query)], desired=[])
    assert (made.actions, made.notes) == ((), ())


def test_alerts_whose_configuration_is_gone_are_trashed() -> None:
    made = plan([deployed("r1"), deployed("r2", N2, alert("B"))], desired=[])
    assert brief(made) == [("DELETE", "r1"), ("DELETE", "r2")]
    assert {action.reason for action in made.actions} == {"its configuration is gone"}


def test_a_clone_of_a_removed_alert_stays_and_is_told() -> None:
    made = plan([deployed("r1"), deployed("c")], desired=[])
    assert brief(made) == [("DELETE", "r1")]
    (note,) = made.notes
    assert "c is a clone of r1 (A)" in note
    remembered = Registry({N1: Deployed(N1, "A", "r1")})
    made = plan([deployed("c")], desired=[], registry=remembered)
    assert (brief(made), "c ([WARNING] Daily cost) bears a marker of A" in made.notes[0]) == ([], True)


def test_what_bears_a_marker_and_is_neither_stored_nor_as_configured_is_left_alone() -> None:
    registry = Registry({N2: Deployed(N2, "OTHER", "x")})
    other = deployed("r1", of=alert(alert_query_template="SELECT 7 AS cost"))
    (action,) = plan([other], None, registry=registry).actions
    assert (action.action, action.status, action.writes) == (Action.HELD, "ERROR", False)
    assert "r1 bears its marker, but is not as configured" in action.reason
    assert brief(plan([deployed("r1")], None, registry=registry)) == [("ADOPT", "r1")], (
        "to take it over changes nothing"
    )
    assert brief(plan([other], None)) == [("ADOPT", "r1")], "nothing was ever remembered: the lakehouse is new"


def test_a_row_that_was_restored_finds_its_alert_by_what_is_remembered() -> None:
    registry = Registry({N1: Deployed(N1, "A", "r1")})
    state = registry.with_ids({"A": SyncState("A")}, HOST)["A"]
    assert (state.databricks_alert_id, state.databricks_host, state.deployment_nonce) == ("r1", HOST, N1)
    other = deployed("r1", of=alert(alert_query_template="SELECT 7 AS cost"))
    assert brief(plan([other, deployed("copy")], state, registry=registry)) == [("UPDATE", "r1")]
    deleted = SyncState("A", last_sync_status="DELETED")
    assert registry.with_ids({"A": deleted}, HOST)["A"] == deleted


def test_an_alert_that_may_not_be_seen_is_neither_created_nor_forgotten() -> None:
    (action,) = plan([], stored(), unseen={"r1": "r1 may not be seen"}).actions
    assert (action.action, action.status, action.writes) == (Action.HELD, "ERROR", False)
    assert "`alerting apply --recreate A`" in action.reason
    held = [DesiredAlert.held("A", "no such table")]
    assert plan([], stored(), held, unseen={"r1": "r1 may not be seen"}).actions[0].status == "INVALID"


def test_a_quarantined_alert_keeps_what_was_deployed() -> None:
    held = [DesiredAlert.held("A", "no such table")]
    assert brief(plan([deployed("r1")], stored(), held)) == [("HELD", "r1")]
    assert "what was deployed before stays" in plan([deployed("r1")], stored(), held).actions[0].reason
    assert brief(plan([], None, held)) == [("HELD", None)]


def test_a_disabled_alert_is_paused_where_it_is_deployed_and_not_created_where_not() -> None:
    disabled = [DesiredAlert.deploy(alert(is_enabled=False))]
    (action,) = plan([deployed("r1")], stored(), disabled).actions
    assert [(field.path, field.old, field.new) for field in action.fields] == [
        ("schedule.pause_status", "UNPAUSED", "PAUSED")
    ]
    assert brief(plan([], None, disabled)) == [("UNCHANGED", None)]


def test_a_disabled_alert_is_trashed_where_that_is_chosen() -> None:
    disabled = [DesiredAlert.deploy(alert(is_enabled=False))]
    choices = Choices(delete_disabled=True)
    made = make_plan(disabled, [deployed("r1")], {"A": stored()}, environment="test", host=HOST, choices=choices)
    assert [(action.action, action.reason, action.is_configured) for action in made.actions] == [
        (Action.DELETE, "is disabled", True)
    ]
    assert brief(make_plan(disabled, [], {}, environment="test", host=HOST, choices=choices)) == [("UNCHANGED", None)]


@pytest.mark.parametrize("delete_disabled", [False, True])
def test_a_disabled_alert_does_not_run_on_because_its_query_is_broken(delete_disabled: bool) -> None:
    held = [DesiredAlert.held("A", "no such table", is_enabled=False)]
    choices = Choices(delete_disabled=delete_disabled)
    made = make_plan(held, [deployed("r1")], {"A": stored()}, environment="test", host=HOST, choices=choices)
    (action,) = made.actions
    if delete_disabled:
        assert (action.action, action.reason) == (Action.DELETE, "is disabled")
        return
    assert (action.action, [field.path for field in action.fields]) == (Action.UPDATE, ["schedule.pause_status"])
    assert isinstance(action, Pause)
    paused = deployed("r1", schedule=action.body["schedule"])
    again = make_plan(held, [paused], {"A": stored()}, environment="test", host=HOST, choices=choices)
    assert brief(again) == [("HELD", "r1")]


def test_what_was_changed_in_the_workspace_is_kept_until_the_configuration_changes() -> None:
    keep = Choices(keep_remote=True)

    def actions(remote: list[RemoteAlert], wanted: DesiredAlert | None = None) -> list[tuple[str, bool]]:
        desired = [wanted or DesiredAlert.deploy(alert())]
        made = make_plan(desired, remote, {"A": stored()}, environment="test", host=HOST, choices=keep)
        assert not any(action.writes for action in made.of(Action.KEPT))
        return [(action.action.value, action.is_drift) for action in made.actions]

    edited = deployed("r1", custom_summary="mine")
    assert actions([edited]) == [("KEPT", True)]
    assert actions([foreign("x")]) == [("KEPT", True)]
    assert actions([deployed("r1")]) == [("UNCHANGED", False)]
    changed = DesiredAlert.deploy(alert(severity="CRITICAL"))
    assert actions([edited], changed) == [("UPDATE", False)]
    assert actions([foreign("x")], changed) == [("CREATE", False)]


def test_a_hand_made_alert_that_was_handed_over_is_taken_over_and_no_other_one() -> None:
    handed = replace(stored("r1"), applied_hash=None, last_sync_status=None)
    (action,) = plan([foreign("r1")], handed).actions
    assert (action.action, action.nonce, action.writes) == (Action.ADOPT, N1, True)
    assert "query_text" in [field.path for field in action.fields]
    others = mark("SELECT 1", Marker("A", "other", N2))
    assert brief(plan([foreign("r1", others)], handed)) == [("HELD", "r1")]
    assert brief(plan([foreign("r1")], stored("r1"))) == [("HELD", "r1")]
    reserved = replace(handed, deployment_nonce=None)
    for wanted in (DesiredAlert.deploy(alert()), DesiredAlert.held("A", "is broken", is_enabled=False)):
        (action,) = plan([foreign("r1")], reserved, [wanted]).actions
        assert (action.action, action.writes) == (Action.HELD, False)
        assert "run `alerting adopt r1` again" in action.reason


@pytest.mark.parametrize(
    ("deployed_alerts", "removed", "percent", "stops"),
    [
        (10, 5, 20, False),
        (10, 6, 20, True),
        (100, 20, 20, False),
        (100, 21, 20, True),
        (100, 6, 0, True),
        (9, 9, 100, False),
    ],
)
def test_a_plan_that_removes_too_much_is_objected_to(
    deployed_alerts: int, removed: int, percent: int, stops: bool
) -> None:
    names = [f"A{number}" for number in range(deployed_alerts)]
    remote = [deployed(name, f"{number:032x}", alert(name)) for number, name in enumerate(names)]
    made = plan(remote, desired=[DesiredAlert.deploy(alert(name)) for name in names[removed:]])
    assert (mass_deletion(made, percent) is not None) is stops
    gone = names[:removed]
    assert (mass_deletion(made.restricted_to(gone), percent) is not None) is stops, "of all, not of those that changed"
    limited = without_mass_deletion(made, percent)
    assert (len(limited.of(Action.HELD)), len(limited.of(Action.DELETE))) == ((removed, 0) if stops else (0, removed))
    assert limited.of(Action.UNCHANGED) == made.of(Action.UNCHANGED)
    assert (limited.objection is not None) is stops


def test_leftovers_are_no_mass_deletion() -> None:
    remote = [deployed(f"r{number}", f"{number:032x}") for number in range(20)]
    made = plan(remote, stored("r0"))
    assert len(made.of(Action.DELETE)) == 19
    assert mass_deletion(made, 0) is None


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"alert_name": "Other"}, ["display_name"]),
        ({"severity": "CRITICAL"}, ["display_name"]),
        ({"alert_query_template": "SELECT 2 AS cost"}, ["query_text"]),
        ({"threshold_value_double": 0.0}, ["evaluation.threshold"]),
        (
            {"operator": "IS_NULL", "threshold_value_double": None},
            ["evaluation.comparison_operator", "evaluation.threshold"],
        ),
        ({"notification_channels": ["a@example.com"]}, ["evaluation.notification.subscriptions"]),
        ({"notify_on_ok": True}, ["evaluation.notification.notify_on_ok"]),
        ({"retrigger_seconds": 60}, ["evaluation.notification.retrigger_seconds"]),
        ({"retrigger_seconds": 0}, []),
        ({"schedule_cron": "1 0 8 * * ?"}, ["schedule.quartz_cron_schedule"]),
        ({"schedule_timezone": "Europe/Berlin"}, ["schedule.timezone_id"]),
        ({"custom_subject_template": "x"}, ["custom_summary"]),
        ({"empty_result_state": "ERROR"}, ["evaluation.empty_result_state"]),
        ({"owner": "other@example.com", "alert_description": "x"}, []),
    ],
)
def test_an_update_names_exactly_the_fields_that_differ(changes: dict[str, Any], paths: list[str]) -> None:
    (action,) = plan([deployed("r1")], stored(), [DesiredAlert.deploy(alert(**changes))]).actions
    assert [field.path for field in action.fields] == paths
    assert action.action is (Action.UPDATE if paths else Action.UNCHANGED)


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"display_name": "renamed"}, ["display_name"]),
        ({"display_name": "[WARNING] Daily cost (1)"}, []),
        ({"display_name": "[WARNING] Daily cost [A]"}, []),
        ({"warehouse_id": "other"}, ["warehouse_id"]),
        ({"custom_summary": "mine"}, ["custom_summary"]),
        ({"parent_path": "/Users/other"}, []),
        ({"schedule": {"quartz_cron_schedule": "0 0 8 * * ?", "timezone_id": "UTC"}}, []),
        (
            {"schedule": {"quartz_cron_schedule": "0 0 8 * * ?", "timezone_id": "UTC", "pause_status": "PAUSED"}},
            ["schedule.pause_status"],
        ),
        ({"effective_run_as": {"user_name": "x"}, "owner_user_name": "y"}, []),
    ],
)
def test_drift_in_the_workspace_is_put_right_and_what_the_service_adds_is_no_drift(
    changes: dict[str, Any], paths: list[str]
) -> None:
    (action,) = plan([deployed("r1", **changes)], stored()).actions
    assert [field.path for field in action.fields] == paths
    assert not paths or "was changed in the workspace" in action.reason


def test_a_name_that_the_service_gave_is_left_until_another_one_is_wanted() -> None:
    given = replace(stored(), databricks_display_name="Daily cost, copy")
    remote = [deployed("r1", display_name="Daily cost, copy")]
    assert brief(plan(remote, given)) == [("UNCHANGED", "r1")]
    (renamed,) = plan([deployed("r1", display_name="by hand")], given).actions
    assert [field.path for field in renamed.fields] == ["display_name"]
    (wanted,) = plan(remote, given, [DesiredAlert.deploy(alert(alert_name="Other"))]).actions
    assert [(field.path, field.new) for field in wanted.fields] == [("display_name", "[WARNING] Other")]


@pytest.mark.parametrize("source", [{"name": "cost", "display": "x"}, {"name": "cost", "aggregation": "SUM"}])
def test_a_source_that_would_change_the_value_is_drift(source: dict[str, str]) -> None:
    remote = deployed("r1")
    remote.body["evaluation"]["source"] = source
    assert [field.path for field in plan([remote], stored()).actions[0].fields] == ["evaluation.source"]


def test_a_folder_that_differs_is_told_and_not_written() -> None:
    wanted = DesiredAlert.deploy(replace(alert(), target=replace(TARGET, parent_path="/Workspace/Shared/alerts/")))
    assert plan([deployed("r1", parent_path="/Shared/alerts")], stored(), [wanted]).notes == ()
    made = plan([deployed("r1")], stored(), [wanted])
    assert brief(made) == [("UNCHANGED", "r1")]
    assert "A lies in /Users/x, not in /Shared/alerts" in made.notes[0]


def test_the_same_things_in_another_order_are_the_same_plan() -> None:
    remote = [deployed("r2", N2, alert("B")), deployed("r1"), foreign("x")]
    desired = [DesiredAlert.deploy(alert(name)) for name in ("A", "B", "C")]
    made = [
        make_plan(list(wanted), remote, {}, environment="test", host=HOST) for wanted in (desired, reversed(desired))
    ]
    assert made[0] == made[1]


# --- invariants

ids = st.sampled_from(["A", "B", "C"])
nonces = st.sampled_from([N1, N2, N3])


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[DesiredAlert], list[RemoteAlert], dict[str, SyncState]]:
    desired = []
    for alert_id in sorted(draw(st.sets(ids))):
        kind = draw(st.sampled_from(["deploy", "deploy", "disabled", "held"]))
        made = alert(alert_id, is_enabled=kind != "disabled")
        desired.append(DesiredAlert.held(alert_id, "broken") if kind == "held" else DesiredAlert.deploy(made))
    remote = []
    for number in range(draw(st.integers(0, 6))):
        remote_id = f"r{number}"
        if draw(st.booleans()):
            changes = draw(st.sampled_from([{}, {"display_name": "drifted"}, {"lifecycle_state": "DELETED"}]))
            remote.append(deployed(remote_id, draw(nonces), alert(draw(ids)), **changes))
        else:
            other = mark("SELECT 1", Marker(draw(ids), "other", draw(nonces)))
            remote.append(foreign(remote_id, draw(st.sampled_from(["SELECT 1", other]))))
    state = {}
    for alert_id in draw(st.sets(ids)):
        remote_id = draw(st.none() | st.sampled_from([f"r{number}" for number in range(8)]))
        host = draw(st.sampled_from([HOST, HOST, "https://there"]))
        applied = None if remote_id is None else "0" * 32
        state[alert_id] = SyncState(alert_id, remote_id, host, None, draw(st.none() | nonces), applied, None)
    return desired, remote, state


def carry_out(
    made: Plan, remote: list[RemoteAlert], state: dict[str, SyncState]
) -> tuple[list[RemoteAlert], dict[str, SyncState]]:
    """What a perfect apply does, on plain dicts."""
    after = {item.id: item for item in remote}
    known = dict(state)
    for number, action in enumerate(made.actions):
        if action.action is Action.DELETE:
            assert action.remote_id
            del after[action.remote_id]
        elif isinstance(action, Create | Update | AdoptAsItIs):
            nonce = action.nonce or f"{number:032x}"
            remote_id = action.remote_id or f"new-{action.alert_id}"
            if action.writes:
                after[remote_id] = deployed(remote_id, nonce, action.compiled)
            known[action.alert_id] = SyncState(
                action.alert_id, remote_id, HOST, None, nonce, action.compiled.config_hash, "CREATED"
            )
    return list(after.values()), known


@given(situation=situations())
def test_one_apply_makes_it_true_and_the_second_finds_nothing_to_do(
    situation: tuple[list[DesiredAlert], list[RemoteAlert], dict[str, SyncState]],
) -> None:
    desired, remote, state = situation
    first = make_plan(desired, remote, state, environment="test", host=HOST)
    after, known = carry_out(first, remote, state)
    second = make_plan(desired, after, known, environment="test", host=HOST)

    held = {action.alert_id for action in second.of(Action.HELD)}
    # A clone of a removed alert cannot be told from the alert itself once that is gone: it goes next.
    assert all(action.why is Reason.REMOVED for action in second.pending)
    for wanted in desired:
        if wanted.compiled is not None and wanted.compiled.is_enabled and wanted.alert_id not in held:
            mine = [action for action in second.actions if action.alert_id == wanted.alert_id]
            assert [action.action for action in mine] == [Action.UNCHANGED]
            assert mine[0].remote_id is not None
    untouched = {item.id: item.body for item in after}
    for item in remote:
        if item.body["query_text"] == "SELECT 1" or "environment=other" in item.body["query_text"]:
            assert untouched[item.id] == item.body


@pytest.mark.parametrize(
    ("fields", "says"), [({}, "in shadow and holds nothing back"), ({"ml_shadow": False}, "its model holds it back")]
)
def test_a_plan_says_in_words_what_a_model_changes(fields: dict[str, Any], says: str) -> None:
    wanted = DesiredAlert.deploy(alert(ml_model_enabled=True, **fields))
    (action,) = plan([deployed("r1")], stored(), [wanted]).actions
    assert "query_text" in action.reason
    assert says in action.reason
