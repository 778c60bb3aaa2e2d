from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from alerting_assets.alerts.matcher import Matcher
from alerting_assets_tests.examples import configuration

pytestmark = pytest.mark.unit

ALERT = configuration(
    alert_id="COST-001", agent_domain="COST", severity="WARNING", tags={"team": "finops", "tier": "gold-1"}
)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, True),
        ({"match_alert_ids": "COST-001"}, True),
        ({"match_alert_ids": ["SEC-*", "COST-*"]}, True),
        ({"match_alert_ids": ["cost-*"]}, False),
        ({"match_alert_ids": ["COST-00?"], "match_severities": "warning"}, True),
        ({"match_domains": ["SECURITY", "cost"]}, True),
        ({"match_domains": "SECURITY"}, False),
        ({"match_severities": ["CRITICAL", "INFO"]}, False),
        ({"match_tags": {"team": "finops"}}, True),
        ({"match_tags": {"team": "finops", "tier": "gold-*"}}, True),
        ({"match_tags": {"team": "finops", "region": "*"}}, False),
        ({"match_tags": {"team": "ops"}}, False),
        ({"match_domains": "COST", "match_severities": "CRITICAL"}, False),
        ({"match_domains": [], "match_tags": {}}, True),
    ],
)
def test_an_alert_is_meant_when_it_fits_all_that_is_set(columns: dict[str, Any], expected: bool) -> None:
    assert Matcher.model_validate(columns).matches(ALERT) is expected


def test_an_alert_without_tags_fits_no_tag() -> None:
    assert not Matcher(match_tags={"team": "*"}).matches(configuration(tags=None))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"match_severities": ["CRITCAL"]}, "did you mean 'CRITICAL'"),
        ({"match_domains": "MONEY"}, "is not one of COST"),
        ({"match_alert_ids": [""]}, "empty pattern"),
        ({"match_alert_ids": 5}, "valid list"),
        ({"match_tags": ["team"]}, "valid dictionary"),
    ],
)
def test_what_cannot_mean_an_alert_is_refused(columns: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Matcher.model_validate(columns)


def test_a_matcher_says_whom_it_means() -> None:
    matcher = Matcher.model_validate(
        {"match_domains": ["COST", "SECURITY"], "match_severities": "INFO", "match_tags": {"a": "1", "b": "*"}}
    )
    assert matcher.in_words() == "domain COST or SECURITY, severity INFO, tag a=1 and b=*"
    assert (Matcher().in_words(), Matcher().is_everything, matcher.is_everything) == ("every alert", True, False)
