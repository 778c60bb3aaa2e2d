"""Configured destinations as messages reach them: with their secrets."""

from __future__ import annotations

from collections.abc import Collection

from alerting_assets.alerts.destinations import EnvironmentVariable
from alerting_assets.configuration import DESTINATION, ConfiguredDestination, plan_listed, read_listed, to_configured
from alerting_assets.delivery import Destination
from alerting_assets.deployment.secrets import SecretReader, read_variable
from alerting_assets.errors import DefinitionError, SettingsError, did_you_mean
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace


def configured_destinations(lakehouse: Lakehouse, settings: Settings) -> dict[str, ConfiguredDestination]:
    """By id: those of the table as they will be once the files are loaded, so that one may be used as soon as it is written down."""
    rows = read_listed(lakehouse, DESTINATION)
    rows = plan_listed(DESTINATION, settings.definitions, rows).rows_after(rows)
    return {one.identity: one for one in to_configured(DESTINATION, rows)}


def destination_of(destination_id: str, known: dict[str, ConfiguredDestination], settings: Settings) -> Destination:
    """Raises SettingsError where there is none, and what `reached` raises."""
    if destination_id not in known:
        near = did_you_mean(destination_id, known)
        raise SettingsError(f"there is no destination {destination_id!r}{near}; `alerting destinations list` shows all")
    return reached(known[destination_id], settings)


def reached(one: ConfiguredDestination, settings: Settings) -> Destination:
    """With its secret, which no one else gets. Raises DefinitionError where it cannot be used, SettingsError and WorkspaceError where its
    secret cannot be read."""
    configuration = one.definition
    if configuration is None:
        raise DefinitionError(one.problems)
    secret = None
    if isinstance(configuration.secret, EnvironmentVariable):
        secret = read_variable(configuration.secret)
    elif configuration.secret is not None:
        secret = SecretReader(open_workspace(settings)).read(configuration.secret)
    return Destination(
        one.identity,
        configuration.destination_name,
        configuration.destination_type,
        tuple(configuration.email_addresses or ()),
        secret,
    )


def usable(known: dict[str, ConfiguredDestination]) -> Collection[str]:
    """The ids that a message may be sent to: those that are enabled, and right."""
    return [name for name, one in known.items() if one.definition is not None and one.definition.is_enabled]
