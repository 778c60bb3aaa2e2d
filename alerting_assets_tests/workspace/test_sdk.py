"""Our part of the databricks-sdk beside the whole of it, in one process and in any order."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

OURS = "from alerting_assets.workspace import client, transport"
LIGHT = "import sys; assert 'databricks.sdk.service.sql' not in sys.modules"
WHOLE = """
import databricks.sdk, sys
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import ApiClient, Config
from databricks.sdk.errors import DatabricksError, NotFound
assert transport.ApiClient is ApiClient is databricks.sdk.core.ApiClient
assert transport.Config is Config
assert issubclass(NotFound, transport.DatabricksError)
assert type(databricks.sdk) is type(sys)
assert databricks.sdk is sys.modules["databricks.sdk"]
assert databricks.sdk.service.sql.AlertV2
assert WorkspaceClient.alerts_v2
"""


@pytest.mark.parametrize(
    "script",
    [
        [OURS, LIGHT, WHOLE],
        ["from databricks.sdk import WorkspaceClient", OURS, WHOLE],
        ["import databricks.sdk", OURS, WHOLE],
        ["from databricks.sdk.core import Config", OURS, WHOLE],
        [OURS, "import databricks.sdk", LIGHT, "assert databricks.sdk.oauth and databricks.sdk.core", LIGHT, WHOLE],
        [OURS, "from databricks.sdk.service import jobs; assert jobs.Run", LIGHT, WHOLE],
        [OURS, "import databricks.sdk; assert 'WorkspaceClient' in dir(databricks.sdk)", WHOLE],
        [OURS, "from databricks.sdk import *", "assert WorkspaceClient and AccountClient", WHOLE],
        [OURS, "import dagster_databricks; assert dagster_databricks.DatabricksClientResource", WHOLE],
        ["import dagster_databricks", OURS, WHOLE],
    ],
    ids=[
        "ours first",
        "the whole first",
        "the package first",
        "a module of it first",
        "modules are found without the rest",
        "a service is found without the rest",
        "dir",
        "star",
        "then Dagster's",
        "after Dagster's",
    ],
)
def test_the_whole_sdk_works_beside_our_part_of_it(script: list[str]) -> None:
    run("\n".join(script))


def test_a_name_that_the_sdk_lacks_is_an_ordinary_error() -> None:
    run(f"""
{OURS}
import databricks.sdk
assert not hasattr(databricks.sdk, "Workspaces")
try:
    from databricks.sdk import Workspaces
except ImportError as error:
    assert "cannot import name 'Workspaces' from 'databricks.sdk'" in str(error)
else:
    raise AssertionError("found")
{WHOLE}""")


def test_threads_that_ask_for_the_whole_at_once_all_get_it() -> None:
    run(f"""
{OURS}
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
barrier = Barrier(8)
def ask(number):
    barrier.wait()
    if number % 2:
        from databricks.sdk import WorkspaceClient
    else:
        import databricks.sdk.service.jobs
        WorkspaceClient = databricks.sdk.WorkspaceClient
    return WorkspaceClient
with ThreadPoolExecutor(8) as pool:
    assert len(set(pool.map(ask, range(8)))) == 1
{WHOLE}""")


def run(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
