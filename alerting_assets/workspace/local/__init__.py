"""A Databricks workspace on this machine: the parts of its HTTP API that alerts need, with their unpleasant sides.
What those are is in docs/architecture.md, "The Alerts API" and "Statement execution".

server.py      socket, uvicorn, start and stop, endpoint.json
app.py         routes put together, behind the gate
gate.py        what every request passes: Host check, token, faults, journal
api_alerts.py  /api/2.0/alerts
api_destinations.py, api_secrets.py   /api/2.0/notification-destinations and /api/2.0/secrets
api_sql.py     /api/2.0/sql: statements and warehouses
statement.py, statement_request.py, warehouse.py, external_links.py, sql_result.py   what it is made of
api_local.py   /api/local: evaluation on demand, faults, journal
pages.py       the web page
own_state.py   what the page shows of evaluations that the product made itself
alert_body.py  what a body of the Alerts v2 API may hold, and update masks
destination_body.py   what a body of the notification destinations API may hold
evaluate.py    what an evaluation decides, as Databricks would
notify.py      whom it notifies, as Databricks would
evaluator.py, scheduler.py   evaluations stored and passed on; evaluations on the alerts' own schedules
sql_text.py    reading and binding statements
paging.py      pages of lists
store.py, journal.py, destinations.py, secret_scopes.py, faults.py   state
vault.py       secrets encrypted at rest
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from alerting_assets.workspace.local.sql_text import Parameter

SqlRunner = Callable[[str], pa.Table]
"""Runs one query and returns all its rows; raises an exception whose text a reader understands. Called from several threads."""

StatementRunner = Callable[[str, Sequence[Parameter]], pa.Table]
"""Runs any one statement, DDL and MERGE too, with its parameters, and returns its rows, if it has some; raises as SqlRunner does."""
