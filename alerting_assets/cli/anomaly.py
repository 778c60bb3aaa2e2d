"""`alerting anomaly`: models of what is expected."""

from __future__ import annotations

import typer

from alerting_assets.cli import anomaly_model

app = typer.Typer(
    no_args_is_help=True,
    help="Models of what is expected: train them, write ranges ahead, and see why something was held back.",
    rich_markup_mode=None,
)

app.command("train")(anomaly_model.train)
app.command("versions")(anomaly_model.versions)
app.command("rollback")(anomaly_model.rollback)
