"""The heartbeat by itself: a sensor that starts nothing."""

import os

import dagster as dg

from alerting_assets.automation.looks import lakehouse_of_looks
from alerting_assets.errors import SettingsError
from alerting_assets.heartbeat import beat, heartbeat_url, look
from alerting_assets.resource import AlertingResource

SENSOR = "heartbeat"


def heartbeat_sensor(*, minutes: int) -> dg.SensorDefinition:
    """minutes: between two heartbeats. It is on from the start where there is an address to send them to."""
    try:
        is_wanted = heartbeat_url(os.environ) is not None
    except SettingsError:
        is_wanted = True  # and each tick says what is wrong

    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=60 * minutes,
        default_status=dg.DefaultSensorStatus.RUNNING if is_wanted else dg.DefaultSensorStatus.STOPPED,
        description=(
            "Looks whether evaluation and sync are healthy, and if so sends a heartbeat to the address in ALERTING_HEARTBEAT_URL, so that "
            "a service outside tells people when none comes. It starts no run; what it found is each tick's reason."
        ),
    )
    def heartbeat(_context: dg.SensorEvaluationContext, alerting: AlertingResource) -> dg.SkipReason:
        try:
            url = heartbeat_url(os.environ)
        except SettingsError as error:
            return dg.SkipReason(str(error))
        if url is None:
            return dg.SkipReason("ALERTING_HEARTBEAT_URL is not set, so there is nobody to send a heartbeat to")
        now = alerting.now()
        facts = look(lambda: lakehouse_of_looks(alerting.settings), alerting.settings, now)
        return dg.SkipReason(beat(facts, url, alerting.environment, now).words)

    return heartbeat
