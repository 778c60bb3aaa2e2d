"""What is configured, brought into a workspace and kept true there: plan, then apply."""

from alerting_assets.deployment.outcome import Outcome, Status, SyncResult
from alerting_assets.deployment.plan import Action, DesiredAlert, Plan, PlannedAction, SyncState, make_plan, read_state
from alerting_assets.deployment.sync import Gate, Syncer, desired_alerts, gate_of

__all__ = [
    "Action",
    "DesiredAlert",
    "Gate",
    "Outcome",
    "Plan",
    "PlannedAction",
    "Status",
    "SyncResult",
    "SyncState",
    "Syncer",
    "desired_alerts",
    "gate_of",
    "make_plan",
    "read_state",
]
