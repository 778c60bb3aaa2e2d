"""Our reading of Quartz expressions against Quartz itself, which Maven brings and Spark's JVM loads."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from py4j.protocol import Py4JJavaError

from alerting_assets.lakehouse import spark_jvm
from alerting_assets.quartz import QuartzError, parse_quartz
from alerting_assets_tests.profile import THOROUGH
from alerting_assets_tests.quartz_texts import REFUSED, ZONES, expressions

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("jvm")]

QUARTZ = "ivy://org.quartz-scheduler:quartz:{}?transitive=false"
EXPRESSIONS = 5_000 if THOROUGH else 500
TIMES = 20

Quartz = Callable[[str, str, datetime], list[datetime]]


@pytest.fixture(scope="module")
def quartz(tmp_path_factory: pytest.TempPathFactory) -> Quartz:
    return _quartz("2.3.2", tmp_path_factory.mktemp("quartz"))


def _quartz(version: str, folder: Path) -> Quartz:
    """The next fire times of an expression in a zone after a moment, by the real one. Raises Py4JJavaError for what it refuses."""
    session = spark_jvm.open_session(folder / "spark.log", spark_jvm.SESSION_CATALOG)
    session.sql(f"ADD JAR '{QUARTZ.format(version)}'")
    context: Any = session.sparkContext
    jvm, gateway = context._jvm, context._gateway
    loader = session._jsparkSession.sharedState().jarClassLoader()
    kind = jvm.java.lang.Class.forName("org.quartz.CronExpression", True, loader)
    types = gateway.new_array(jvm.java.lang.Class, 1)
    types[0] = jvm.java.lang.Class.forName("java.lang.String")
    constructor = kind.getConstructor(types)

    def fire_times(text: str, zone: str, after: datetime) -> list[datetime]:
        arguments = gateway.new_array(jvm.java.lang.Object, 1)
        arguments[0] = text
        expression = constructor.newInstance(arguments)
        expression.setTimeZone(jvm.java.util.TimeZone.getTimeZone(zone))
        found: list[datetime] = []
        moment = jvm.java.util.Date(int(after.timestamp() * 1000))
        while len(found) < TIMES:
            moment = expression.getTimeAfter(moment)
            if moment is None:
                break
            found.append(datetime.fromtimestamp(moment.getTime() / 1000, UTC))
        return found

    return fire_times


def drawn(number: int) -> list[str]:
    """Valid expressions, the same each time unless the profile is thorough."""
    found: list[str] = []

    @settings(
        max_examples=number,
        phases=[Phase.generate],
        database=None,
        derandomize=not THOROUGH,
        suppress_health_check=list(HealthCheck),
    )
    @given(expressions())
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return found


def days_before_clock_changes(zone: ZoneInfo) -> list[datetime]:
    """Noons of three years, UTC; of a zone whose clocks never change all of them."""
    days = [datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=number) for number in range(3 * 365)]
    changes = [
        day
        for day in days
        if day.astimezone(zone).utcoffset() != (day + timedelta(days=1)).astimezone(zone).utcoffset()
    ]
    return changes or days


def test_it_fires_when_the_real_quartz_does(quartz: Quartz) -> None:
    chance = random.Random(7)
    differing = []
    for text in drawn(EXPRESSIONS):
        zone = chance.choice(ZONES)
        place = ZoneInfo(zone)
        after = chance.choice(days_before_clock_changes(place))
        expected = quartz(text, zone, after)
        ours = list(islice(parse_quartz(text).fire_times(after, place), TIMES))
        if ours != expected:
            differing.append(
                (text, zone, str(after), [str(one) for one in ours[:3]], [str(one) for one in expected[:3]])
            )
    assert not differing


@pytest.mark.parametrize("text", REFUSED)
def test_what_we_refuse_the_real_quartz_refuses(quartz: Quartz, text: str) -> None:
    with pytest.raises(QuartzError):
        parse_quartz(text)
    with pytest.raises(Py4JJavaError, match=r"ParseException|NullPointer|NoSuchElement|IllegalArgument|NumberFormat"):
        quartz(text, "UTC", datetime(2026, 1, 1, tzinfo=UTC))
