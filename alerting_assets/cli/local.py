"""`alerting workspace serve`, `alerting demo refresh`, `alerting dev`: everything on one machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.markup import escape

from alerting_assets.cli.context import Json, console, lakehouse, now, print_counts, print_json, progress, settings
from alerting_assets.dagster_home import dagster_file, prepare_dagster_home
from alerting_assets.delivery.mail_server import allowed_hosts, mail_server
from alerting_assets.errors import SettingsError, WorkspaceUnavailable
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.settings import LOCAL_WAREHOUSE_ID, Settings
from alerting_assets.workspace.endpoint import Endpoint
from alerting_assets.workspace.local.app import WORKSPACE_ID
from alerting_assets.workspace.local.inbox import (
    DEFAULT_HTTP_PORT,
    DEFAULT_SMTP_PORT,
    Inbox,
    Received,
    inbox_mail_server,
)
from alerting_assets.workspace.local.notifier import Delivering
from alerting_assets.workspace.local.rules import Rules
from alerting_assets.workspace.local.server import DEFAULT_PORT, LocalWorkspaceServer, running_address

workspace = typer.Typer(no_args_is_help=True, help="The local workspace: everything with no account.")
demo = typer.Typer(no_args_is_help=True, help="The demo lakehouse.")

STOP_SECONDS = 20
"""How long Dagster may take to end its children after Ctrl-C."""

Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="On loopback; nothing else is ever listened on.")]
NoEvaluate = Annotated[
    bool,
    typer.Option("--no-evaluate", help="Leave the schedules of the deployed alerts alone; evaluate only when asked."),
]


@workspace.command()
def serve(port: Port = DEFAULT_PORT, no_evaluate: NoEvaluate = False, as_json: Json = False) -> None:
    """Run the local workspace until Ctrl-C: a server that speaks the Databricks API, with a page for people.

    It evaluates the deployed alerts on their schedules, and appends what came out to the table alert_evaluation_history.

    With ALERTING_LAKEHOUSE=spark its SQL warehouse takes any statement, for ALERTING_LAKEHOUSE=warehouse in another process."""
    chosen = settings()
    _need_own_engine(chosen)
    with lakehouse(chosen) as tables, _server(chosen, tables, port, evaluates=not no_evaluate, delivers=True) as server:

        def tell() -> None:
            if as_json:
                print_json({"address": server.address})
            else:
                console.print(f"The local workspace is at [bold]{server.address}[/bold]. Ctrl-C stops it.")

        server.wait(tell)


@workspace.command()
def inbox(
    smtp_port: Annotated[int, typer.Option(min=1, max=65535, help="Of the mail server.")] = DEFAULT_SMTP_PORT,
    http_port: Annotated[int, typer.Option(min=1, max=65535, help="Of the webhook receiver.")] = DEFAULT_HTTP_PORT,
    as_json: Json = False,
) -> None:
    """Catch mails and webhooks on this machine and show them, until Ctrl-C. The local workspace sends its mails here unless
    ALERTING_SMTP_URL names another server; a webhook, Slack or Teams destination may have the address that is shown as its URL."""
    shown = threading.Lock()

    def show(message: Received) -> None:
        with shown:
            if as_json:
                print_json({"way": message.way, "to": message.to, "subject": message.subject, "text": message.text})
            else:
                console.print(f"[bold]{message.way}[/bold] to {escape(message.to)}  {escape(message.subject)}")
                console.print(message.text + "\n", markup=False, soft_wrap=True)

    with Inbox(settings().workspace_root, show, smtp_port=smtp_port, http_port=http_port) as caught:
        if as_json:
            print_json({"smtp": caught.smtp_address, "http": caught.http_address})
        else:
            console.print(
                f"Mails arrive at [bold]{caught.smtp_address}[/bold], webhooks at [bold]{caught.http_address}[/bold]. Ctrl-C stops it."
            )
        asked = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: asked.set())
        asked.wait()


@workspace.command()
def evaluate(as_json: Json = False) -> None:
    """Have the running local workspace evaluate every deployed alert now, as Databricks would on its schedule."""
    endpoint = Endpoint.read(settings().workspace_root)
    request = urllib.request.Request(
        f"{endpoint.address}/api/local/evaluate", b"", {"Authorization": f"Bearer {endpoint.token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            evaluations = json.load(answer)["evaluations"]
    except OSError as error:
        raise WorkspaceUnavailable(
            f"{endpoint.address} does not answer ({error}); run `alerting workspace serve`"
        ) from None
    if as_json:
        print_json(evaluations)
    else:
        states = Counter(item["state"] for item in evaluations)
        print_counts(dict(states))
        console.print(f"See {endpoint.address}")


@demo.command()
def refresh(as_json: Json = False) -> None:
    """Build the demo lakehouse, or move it up to now."""
    from alerting_assets.demo import refresh_demo

    with lakehouse(settings()) as tables, progress("generate", as_json) as advance:
        rows = refresh_demo(tables, now=now(), on_progress=advance)
    if as_json:
        print_json({"appended": rows})
    else:
        console.print(
            ", ".join(f"{count:,} rows to {table}" for table, count in rows.items())
            or "Nothing to add: the demo is up to now."
        )


def dev(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of the Dagster UI.")] = 3000,
    workspace_port: Annotated[int, typer.Option(min=1, max=65535, help="Of the local workspace.")] = DEFAULT_PORT,
    no_evaluate: NoEvaluate = False,
    as_json: Json = False,
) -> None:
    """Local workspace, Dagster UI and daemon in one; Ctrl-C stops them all."""
    chosen = settings()
    home = prepare_dagster_home(chosen)
    if not _is_free(port):
        raise SettingsError(f"port {port} is in use; choose another with --port")
    if not running_address(chosen.workspace_root) and not _is_free(workspace_port):
        raise SettingsError(
            f"port {workspace_port}, for the local workspace, is in use; choose another with --workspace-port"
        )
    absolute = {"ALERTING_HOME": str(chosen.home), "ALERTING_DEFINITIONS": str(chosen.definitions.absolute())}
    shown = {"ALERTING_DAGSTER_URL": f"http://127.0.0.1:{port}"}  # where messages about failures lead
    environment = {**shown, **os.environ, **absolute, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore::UserWarning"}
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-w",
        str(dagster_file("workspace.yaml")),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    for number in (signal.SIGINT, signal.SIGTERM):
        # Also where the shell that started us had them ignored; children begin with the default then.
        signal.signal(number, signal.default_int_handler)
    with running_workspace(chosen, workspace_port, evaluates=not no_evaluate) as address:
        dagster = subprocess.Popen(command, cwd=home, env=environment, start_new_session=True)
        try:
            if as_json:
                print_json({"dagster": f"http://127.0.0.1:{port}", "workspace": address})
            else:
                console.print(
                    f"Dagster UI: [bold]http://127.0.0.1:{port}[/bold]   local workspace: [bold]{address}[/bold]   Ctrl-C stops both."
                )
            code = dagster.wait()
        except KeyboardInterrupt:
            code = 0
        finally:
            _stop(dagster)
    if code:
        raise SettingsError(f"dagster ended with exit code {code}; its messages are above")


@contextmanager
def running_workspace(chosen: Settings, port: int | None = None, *, evaluates: bool = False) -> Iterator[str]:
    """The address of the local workspace that runs already, or of one that runs for the time of this block.

    port: None for the usual one, or any other that is free.
    evaluates: whether one that is started here evaluates the alerts on their schedules."""
    if chosen.workspace != "local":
        yield os.environ.get("DATABRICKS_HOST", "Databricks")
        return
    if address := running_address(chosen.workspace_root):
        yield address
        return
    _need_own_engine(chosen)
    if port is None:
        port = DEFAULT_PORT if _is_free(DEFAULT_PORT) else 0
    with lakehouse(chosen) as tables, _server(chosen, tables, port, evaluates=evaluates, delivers=evaluates) as server:
        yield server.address


def _need_own_engine(chosen: Settings) -> None:
    """The local workspace runs queries by the lakehouse: one that asks a workspace would ask itself."""
    if chosen.lakehouse == "warehouse":
        raise SettingsError(
            "ALERTING_LAKEHOUSE=warehouse needs a workspace that runs already; set ALERTING_WORKSPACE=databricks, or start one here "
            "with `ALERTING_LAKEHOUSE=spark alerting workspace serve`"
        )


def _server(chosen: Settings, tables: Lakehouse, port: int, *, evaluates: bool, delivers: bool) -> LocalWorkspaceServer:
    from alerting_assets.deployment.own_states import read_own_states
    from alerting_assets.lakehouse.evaluation_history import EvaluationHistory

    rules = Rules(warehouse_ids=frozenset({LOCAL_WAREHOUSE_ID, chosen.warehouse_id}))
    runner = None
    if chosen.lakehouse == "spark" and chosen.has_own_lakehouse:
        from alerting_assets.lakehouse.as_warehouse import statement_runner
        from alerting_assets.lakehouse.spark import LocalSparkLakehouse

        assert isinstance(tables, LocalSparkLakehouse)
        runner = statement_runner(tables)
    return LocalWorkspaceServer(
        chosen.workspace_root,
        tables.query,
        port=port,
        statement_runner=runner,
        statement_namespace=tables.namespace,
        rules=rules,
        evaluates=evaluates,
        on_evaluated=EvaluationHistory(tables, WORKSPACE_ID).append,
        own_states=lambda: read_own_states(tables, chosen.environment),
        delivers=_delivering(chosen, tables) if delivers else None,
    )


def _delivering(chosen: Settings, tables: Lakehouse) -> Delivering:
    """Raises SettingsError for a mail server that cannot be understood."""
    from alerting_assets.configuration.message_groups import MessageGroups
    from alerting_assets.lakehouse.deliveries import delivery_log

    given = mail_server()
    return Delivering(
        mail_server=lambda: given or inbox_mail_server(chosen.workspace_root),
        allowed_hosts=allowed_hosts(),
        log=delivery_log(tables),
        grouping=MessageGroups(tables, now),
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Dagster ends its webserver, daemon and code servers itself when it is asked to; what is left after that is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
