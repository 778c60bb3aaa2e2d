"""The sensor of failures for any code location: `from alerting_assets import check_failure_alerts`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from alerting_assets.automation.failure_alerts import SENSOR, Telling, sensor_of
from alerting_assets.automation.seen_runs import Patience
from alerting_assets.delivery.courier import Clock
from alerting_assets.delivery.mail_server import allowed_hosts, mail_server
from alerting_assets.delivery.own import OwnDelivery
from alerting_assets.errors import Problem, SettingsError
from alerting_assets.failures.receivers import is_pagerduty, look_up, parse_receivers
from alerting_assets.failures.routes import Routes, read_routes
from alerting_assets.failures.store import FOLDER, OUTBOX

SECONDS = 15
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")


def check_failure_alerts(
    to: str | Iterable[str] | None = None,
    *,
    routes: str | Path | None = None,
    home: str | Path | None = None,
    name: str = SENSOR,
    seconds: int = SECONDS,
    running: bool = True,
    dagster_url: str | None = None,
    all_locations: bool = False,
    stuck_minutes: int = 60,
    clock: Clock = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """A sensor that tells people which asset checks, runs, sensors and schedules fail. One line in anybody's `Definitions`:

        defs = dg.Definitions(assets=…, asset_checks=…, sensors=[check_failure_alerts("slack+env:OPS_URL")])

    to: e-mail addresses (by the mail server of ALERTING_SMTP_URL), or `slack+env:NAME`, `teams+env:NAME`, `webhook+env:NAME`,
    `pagerduty+env:NAME`, where NAME is an environment variable that holds the URL or key; None: what ALERTING_NOTIFY holds.
    routes: a file in the form of notify.yml, for who is told what. `to` is told the rest.
    home: the folder where it remembers what it told and keeps what has not arrived; None: ALERTING_HOME, or Dagster's own.
    running: whether it is on from the start. dagster_url: of the UI, for links; None: what ALERTING_DAGSTER_URL holds.
    all_locations: of the whole instance, not only of the code location that it is in.
    stuck_minutes: how long a run may wait before it starts, or record nothing, before that is told.

    Raises SettingsError where `to` is wrong."""
    others = None if to is None else receivers_of(to, "to")

    def telling(context: dg.SensorEvaluationContext) -> Telling:
        chosen = (
            others if others is not None else receivers_of(os.environ.get("ALERTING_NOTIFY") or "", "ALERTING_NOTIFY")
        )
        folder = folder_of(_home(home, context.instance), context)
        read = routes_in(Path(routes) if routes else None, chosen, is_needed=True).only_known(None)
        return Telling(
            folder,
            read,
            OwnDelivery(
                folder / OUTBOX,
                lambda receiver: look_up(receiver, None),
                mail_server=mail_server,
                allowed_hosts=allowed_hosts(),
                clock=clock,
            ),
            single=[one for one in read.receivers if is_pagerduty(one)],
            url=dagster_url or os.environ.get("ALERTING_DAGSTER_URL"),
            everything=all_locations,
            patience=Patience(timedelta(minutes=stuck_minutes), timedelta(minutes=stuck_minutes)),
        )

    return sensor_of(telling, name=name, seconds=seconds, running=running, clock=clock)


def receivers_of(text: str | Iterable[str], setting: str) -> tuple[str, ...]:
    """Raises SettingsError, which names the setting."""
    try:
        return parse_receivers(text)
    except ValueError as error:
        raise SettingsError(f"{setting}: {error}") from None


def folder_of(home: Path, context: dg.SensorEvaluationContext) -> Path:
    """Each code location has its own, since several may share a home."""
    origin = context.code_location_origin
    return home / FOLDER / (_UNFIT.sub("_", origin.location_name) if origin else "_")


def routes_in(path: Path | None, others: tuple[str, ...], *, is_needed: bool) -> Routes:
    """The routes of a file. is_needed: whether it is a problem that there is none."""
    if path is None:
        return read_routes("", None, others)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        wrong = "is not there"
        if not is_needed and not path.is_symlink():
            return read_routes(path.name, None, others)
    except UnicodeDecodeError as error:
        wrong = f"is not UTF-8 text (byte {error.start + 1})"
    except OSError as error:
        wrong = f"cannot be read: {error.strerror}"
    else:
        return read_routes(path.name, text, others)
    return Routes(others=others, problems=(Problem(wrong, file=path.name),))


def _home(given: str | Path | None, instance: dg.DagsterInstance) -> Path:
    if chosen := given or os.environ.get("ALERTING_HOME"):
        return Path(chosen).expanduser().absolute()
    return Path(instance.root_directory) / "alerting"
