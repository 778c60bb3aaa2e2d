"""Where Dagster keeps its runs: `$ALERTING_HOME/dagster`, set up from this checkout's dagster.yaml and workspace.yaml."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from alerting_assets.errors import SettingsError
from alerting_assets.settings import Settings

CHECKOUT = Path(__file__).parents[1]


def prepare_dagster_home(settings: Settings) -> Path:
    """Create Dagster's home, and point this process and its children there, because Dagster reads DAGSTER_HOME only. A DAGSTER_HOME
    that is set already is left as it is."""
    if chosen := os.environ.get("DAGSTER_HOME"):
        return Path(chosen)
    source = CHECKOUT / "dagster.yaml"
    if not source.is_file():
        raise SettingsError(
            f"{source} does not exist: run from a checkout, or set DAGSTER_HOME to a folder with a dagster.yaml"
        )
    home = settings.dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, home / "dagster.yaml")
    except OSError as error:
        raise SettingsError(f"ALERTING_HOME: {home} cannot be written: {error.strerror}") from error
    os.environ["DAGSTER_HOME"] = str(home)
    return home
