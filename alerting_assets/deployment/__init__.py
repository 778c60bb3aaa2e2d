"""What is configured, brought into a workspace and kept true there: plan, then apply."""

from alerting_assets.deployment.identity import SyncState, read_state
from alerting_assets.deployment.outcome import Outcome, Status, SyncResult
from alerting_assets.deployment.plan import Action, Choices, DesiredAlert, Plan, PlannedAction, make_plan
from alerting_assets.deployment.sync import Gate, Syncer, desired_alerts, gate_of, read_desired
from alerting_assets.deployment.work import Work, find_work

__all__ = [
    "Action",
    "Choices",
    "DesiredAlert",
    "Gate",
    "Outcome",
    "Plan",
    "PlannedAction",
    "Status",
    "SyncResult",
    "SyncState",
    "Syncer",
    "Work",
    "desired_alerts",
    "find_work",
    "gate_of",
    "make_plan",
    "read_desired",
    "read_state",
]
