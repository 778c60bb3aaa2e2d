"""What other people's code locations import. It is loaded when it is asked for: most of the package needs no Dagster."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alerting_assets.automation.check_failures import check_failure_alerts

__all__ = ["check_failure_alerts"]


def __getattr__(name: str) -> Any:
    if name != "check_failure_alerts":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from alerting_assets.automation.check_failures import check_failure_alerts

    return check_failure_alerts
