"""What is configured, brought into a workspace and kept true there: plan, then apply."""

from alerting_assets.deployment.identity import SyncState, read_state
from alerting_assets.deployment.outcome import Outcome, Status, SyncResult
from alerting_assets.deployment.plan import Action, Choices, DesiredAlert, Plan, PlannedAction, make_plan
from alerting_assets.deployment.sync import AdmissionPolicy, Syncer, admission_policy, desired_alerts, read_desired
from alerting_assets.deployment.work import Work, find_work

__all__ = [
    "Action",
    "AdmissionPolicy",
    "Choices",
    "DesiredAlert",
    "Outcome",
    "Plan",
    "PlannedAction",
    "Status",
    "SyncResult",
    "SyncState",
    "Syncer",
    "Work",
    "admission_policy",
    "desired_alerts",
    "find_work",
    "make_plan",
    "read_desired",
    "read_state",
]
