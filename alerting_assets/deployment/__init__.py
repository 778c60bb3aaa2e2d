"""What is configured, brought into a workspace and kept true there: plan, then apply."""

from alerting_assets.deployment.actions import HELD_BACK, Action, Outcome, PlannedAction, Reason, Status
from alerting_assets.deployment.apply import SyncResult
from alerting_assets.deployment.destination_sync import DestinationResult, DestinationSyncer
from alerting_assets.deployment.destination_work import due_destinations, look_ahead, users_of, with_destinations
from alerting_assets.deployment.identity import SyncState, read_state
from alerting_assets.deployment.plan import Choices, DesiredAlert, Plan, make_plan
from alerting_assets.deployment.route_work import rerouted, with_routes
from alerting_assets.deployment.silence_work import (
    held_back_notes,
    silenced_alerts,
    waiting_for_silences,
    with_silences,
)
from alerting_assets.deployment.sync import AdmissionPolicy, Syncer, admission_policy, desired_alerts, read_desired
from alerting_assets.deployment.work import Work, find_work

__all__ = [
    "HELD_BACK",
    "Action",
    "AdmissionPolicy",
    "Choices",
    "DesiredAlert",
    "DestinationResult",
    "DestinationSyncer",
    "Outcome",
    "Plan",
    "PlannedAction",
    "Reason",
    "Status",
    "SyncResult",
    "SyncState",
    "Syncer",
    "Work",
    "admission_policy",
    "desired_alerts",
    "due_destinations",
    "find_work",
    "held_back_notes",
    "look_ahead",
    "make_plan",
    "read_desired",
    "read_state",
    "rerouted",
    "silenced_alerts",
    "users_of",
    "waiting_for_silences",
    "with_destinations",
    "with_routes",
    "with_silences",
]
