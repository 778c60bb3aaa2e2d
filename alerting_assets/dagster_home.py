"""Where Dagster keeps its runs: `$ALERTING_HOME/dagster`, set up from this checkout's dagster.yaml and workspace.yaml, or, where the
package is installed without a checkout, from those in `dagster_files`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from alerting_assets.errors import SettingsError
from alerting_assets.settings import Settings

CHECKOUT = Path(__file__).parents[1]
SHIPPED = Path(__file__).parent / "dagster_files"


def dagster_file(name: str) -> Path:
    """`dagster.yaml` or `workspace.yaml`."""
    own = CHECKOUT / name
    return own if (CHECKOUT / "pyproject.toml").is_file() and own.is_file() else SHIPPED / name


def prepare_dagster_home(settings: Settings) -> Path:
    """Create Dagster's home, and point this process and its children there, because Dagster reads DAGSTER_HOME only. A DAGSTER_HOME
    that is set already is left as it is."""
    if chosen := os.environ.get("DAGSTER_HOME"):
        return Path(chosen)
    home = settings.dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(dagster_file("dagster.yaml"), home / "dagster.yaml")
    except OSError as error:
        raise SettingsError(f"ALERTING_HOME: {home} cannot be written: {error.strerror}") from error
    os.environ["DAGSTER_HOME"] = str(home)
    return home
