"""How much is tried: a few random examples in `make test`, the same ones each time; many, and others each time, in
`make test-thorough`, which sets ALERTING_TEST_PROFILE=thorough and runs the tests marked `thorough`, too."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

THOROUGH = os.environ.get("ALERTING_TEST_PROFILE", "ci") == "thorough"

# No deadlines: first calls import things, and how fast something is, benchmarks tell.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("ci", max_examples=50, derandomize=True, database=None, **_COMMON)
settings.register_profile("thorough", max_examples=500, **_COMMON)
settings.load_profile("thorough" if THOROUGH else "ci")


def examples(few: int, many: int) -> settings:
    """The number of examples of one property: few in `make test`, many in `make test-thorough`."""
    return settings(max_examples=many if THOROUGH else few)
