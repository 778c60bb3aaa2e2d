"""The plan of destinations: whatever people, the workspace and earlier syncs left behind, carrying it out ends in what is configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.destinations import DestinationConfiguration, parse_destination
from alerting_assets.deployment.actions import Action, Status
from alerting_assets.deployment.destination_plan import (
    DesiredDestination,
    DestinationState,
    KnownDeployment,
    PlannedDestination,
    plan_destinations,
)
from alerting_assets.deployment.secrets import fingerprint
from alerting_assets.workspace.port import RemoteDestination
from alerting_assets_tests.profile import examples

HOST = "local"
IDS, NAMES, SECRETS = ["a", "b", "c"], ["Ops", "Mail"], ["s-1", "s-2"]
FINGERPRINTS = {secret: fingerprint(secret, "00" * 8) for secret in SECRETS}


@st.composite
def configurations(draw: st.DrawFn, destination_id: str) -> DestinationConfiguration:
    kind = draw(st.sampled_from(["EMAIL", "SLACK", "WEBHOOK"]))
    reach = {"email_addresses": "x@example.com"} if kind == "EMAIL" else {"secret_ref": "env:X"}
    name, enabled = draw(st.sampled_from(NAMES)), draw(st.booleans())
    fields = {"destination_id": destination_id, "destination_name": name, "destination_type": kind, "owner": "o"}
    return parse_destination({**fields, **reach, "is_enabled": enabled})


@st.composite
def wishes(draw: st.DrawFn) -> list[DesiredDestination]:
    found = []
    for destination_id in draw(st.sets(st.sampled_from(IDS))):
        configuration = draw(configurations(destination_id))
        problem = draw(st.sampled_from([None, None, None, "is broken"]))
        if problem is not None:
            found.append(DesiredDestination(destination_id, configuration, problem=problem))
            continue
        secret = draw(st.sampled_from(SECRETS))
        found.append(DesiredDestination(destination_id, configuration, secret, FINGERPRINTS[secret]))
    return found


@dataclass
class Model:
    """A workspace, and what is stored about it."""

    there: dict[str, RemoteDestination] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    state: dict[str, DestinationState] = field(default_factory=dict)
    known: dict[str, KnownDeployment] = field(default_factory=dict)
    ids: count[int] = field(default_factory=count)

    def plan(
        self, desired: Sequence[DesiredDestination], used: Mapping[str, Sequence[str]]
    ) -> list[PlannedDestination]:
        return plan_destinations(desired, list(self.there.values()), self.state, self.known.values(), used, host=HOST)

    def sync(self, desired: Sequence[DesiredDestination], used: Mapping[str, Sequence[str]]) -> int:
        """How many requests were sent."""
        wanted = {one.destination_id for one in desired}
        self.state = {name: one for name, one in self.state.items() if name in wanted}  # a row that goes takes it along
        planned = self.plan(desired, used)
        for one in planned:
            self._carry_out(one)
        return sum(one.sends for one in planned)

    def _carry_out(self, one: PlannedDestination) -> None:
        remote_id = one.remote_id
        if one.action is Action.DELETE:
            assert remote_id is not None
            assert self.known[remote_id].was_created, "what was there before us is never deleted"
            del self.there[remote_id]
        if one.desired is None:
            if one.status is Status.DELETED:
                self.known.pop(str(remote_id))
            return
        before = self.state.get(one.destination_id, DestinationState(one.destination_id))
        configuration = one.desired.configuration
        assert configuration is not None
        if one.action is Action.HELD:
            self.state[one.destination_id] = before
            return
        if one.sends:
            remote_id = f"r-{next(self.ids)}" if one.action is Action.CREATE else remote_id
            assert remote_id is not None
            kind = configuration.destination_type.value
            if one.action is not Action.CREATE:
                assert self.there[remote_id].type == kind, "a type never changes"
            self.there[remote_id] = RemoteDestination(remote_id, configuration.destination_name, kind)
            self.sent[remote_id] = str(one.desired.secret)
            self.known.setdefault(
                remote_id, KnownDeployment(one.destination_id, remote_id, one.action is Action.CREATE)
            )
        self.state[one.destination_id] = DestinationState(
            one.destination_id,
            remote_id,
            HOST,
            one.desired.new_fingerprint if one.sends else before.secret_fingerprint,
            configuration.config_hash,
            one.status.value,
        )


@examples(60, 2_000)
@given(st.data())
def test_it_ends_in_what_is_configured_and_a_second_sync_sends_nothing(data: st.DataObject) -> None:
    model = Model()
    for name in data.draw(st.lists(st.sampled_from(NAMES), max_size=2), label="made by hand"):
        remote_id = f"r-{next(model.ids)}"
        model.there[remote_id] = RemoteDestination(remote_id, name, data.draw(st.sampled_from(["EMAIL", "SLACK"])))
    by_hand = set(model.there)
    for _ in range(3):
        desired = data.draw(wishes())
        if model.there and data.draw(st.booleans(), label="somebody deletes one"):
            gone = data.draw(st.sampled_from(sorted(model.there)))
            del model.there[gone]
            by_hand.discard(gone)
        used = {one: ["an alert"] for one in model.there if data.draw(st.booleans())}
        model.sync(desired, used)
        assert model.sync(desired, used) == 0
        assert by_hand <= model.there.keys()
        assert used.keys() <= model.there.keys(), "what an alert uses stays"
        planned = {one.destination_id: one for one in model.plan(desired, used) if one.desired is not None}
        owners: dict[str, str] = {}
        for wanted in desired:
            configuration = wanted.configuration
            assert configuration is not None
            if wanted.problem or not configuration.is_enabled or planned[wanted.destination_id].action is Action.HELD:
                continue
            remote_id = model.state[wanted.destination_id].databricks_destination_id
            assert remote_id is not None
            assert owners.setdefault(remote_id, wanted.destination_id) == wanted.destination_id, "each has its own"
            remote = model.there[remote_id]
            assert (remote.name, remote.type) == (configuration.destination_name, configuration.destination_type.value)
            assert model.sent[remote_id] == wanted.secret
