"""Checks of what people wrote, before anything is deployed: unit tests of alerts, texts of notifications."""

import dagster as dg

from alerting_assets.alerts.notification import Field, problems
from alerting_assets.assets.configurations import alert_configurations
from alerting_assets.assets.tables import table
from alerting_assets.configuration import read_rows, templates_of
from alerting_assets.evaluation.unit_test_files import collect_tests, open_runner
from alerting_assets.resource import AlertingResource

FIELDS: tuple[Field, ...] = ("custom_subject_template", "custom_body_template")


@dg.asset_check(
    asset=alert_configurations,
    name="alert_tests_pass",
    description="The unit tests of `alerts/tests/*.yml` and of your own templates: given rows in, the expected decision out.",
)
def alert_tests_pass(alerting: AlertingResource) -> dg.AssetCheckResult:
    settings = alerting.settings
    tests, problems = collect_tests(settings.definitions, templates_of(settings.definitions))
    if not tests and not problems:
        return dg.AssetCheckResult(
            passed=True, description="there are no tests; `alerting test` says how to write some"
        )
    with open_runner(settings, alerting.get_lakehouse()) as runner:
        outcomes = runner.run(tests)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    return dg.AssetCheckResult(
        passed=not failed and not problems,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{len(failed)} of {len(outcomes)} tests failed"
        + (f"; {len(problems)} more problems: tests that cannot be read" if problems else ""),
        metadata={
            "cannot be read": table([{"problem": str(problem)} for problem in problems]),
            "failed": table(
                [
                    {
                        "test": outcome.test.title,
                        "place": outcome.test.place,
                        "failure": "; ".join(outcome.failures),
                    }
                    for outcome in failed
                ]
            ),
            "tests": table(
                [
                    {
                        "test": outcome.test.title,
                        "outcome": "passed" if outcome.passed else "failed",
                        "ms": round(outcome.seconds * 1000, 1),
                    }
                    for outcome in outcomes
                ]
            ),
        },
    )


@dg.asset_check(
    asset=alert_configurations,
    name="notification_texts_are_valid",
    description="Custom subjects and bodies have known placeholders, safe HTML and a length that arrives. A bad one quarantines its alert.",
)
def notification_texts_are_valid(alerting: AlertingResource) -> dg.AssetCheckResult:
    texts = [(row["alert_id"], field, row[field]) for row in read_rows(alerting.get_lakehouse()) for field in FIELDS]
    configured = [(alert_id, field, text) for alert_id, field, text in texts if text is not None]
    found = [
        {"alert_id": alert_id, "field": field, "problem": problem}
        for alert_id, field, text in configured
        for problem in problems(text, field=field)
    ]
    wrong = {(item["alert_id"], item["field"]) for item in found}
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(wrong)} of {len(configured)} texts cannot be used",
        metadata={"problems": table(found)},
    )
