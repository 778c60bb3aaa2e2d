"""Which of the tests on Spark run each time. The others are marked `thorough`: `make test-spark-thorough` runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

SLOW = {
    "test_processes_that_create_and_write_the_same_table_lose_nothing": "a JVM for each of its writers",
    "test_threads_that_write_the_same_table_lose_nothing": "a minute; the lease, which all try to take, shows it in seconds",
    "test_a_writer_that_is_killed_at_any_moment_leaves_a_table_that_works": "a JVM for each writer that is killed",
    "test_a_jvm_that_ended_is_named_with_its_log_and_the_next_lakehouse_starts_another": "kills a JVM",
    "test_the_whole_graph_runs_on_a_warehouse": "the graph runs on Spark and the warehouse's statements are tested below it",
}
"""Why it is, by the test."""

OVER_HTTP = {
    "test_an_append_is_one_commit_and_returns_its_version",
    "test_a_merge_inserts_what_is_new_and_updates_what_differs",
    "test_a_table_that_does_not_exist_is_named",
    "test_an_error_that_only_running_shows_is_a_runtime_error",
    "test_changes_hold_inserts_both_images_of_updates_and_deletes_in_order",
    "test_describe_says_what_is_wrong_and_where",
    "test_every_type_and_null_survives_a_query",
    "test_every_type_survives_append_and_read",
    "test_hostile_text_survives_every_kind_of_write_as_it_is",
    "test_null_in_a_required_column_is_refused_with_its_name",
    "test_one_of_many_gets_a_lease_that_all_try_to_take",
    "test_rows_too_large_for_one_statement_are_one_commit_and_leave_nothing_behind",
    "test_views_come_back_when_the_lakehouse_is_opened_again",
}
"""Of the conformance suite, what travels as parameters, as results in chunks, or as errors of a statement. The SQL of the whole suite is
the same as on Spark itself, which runs all of it."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before pytest leaves out what is thorough."""
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        name = getattr(item, "originalname", item.name)
        repeats = item.parent is not None and item.parent.name == "TestWarehouseLakehouse" and name not in OVER_HTTP
        if name in SLOW or repeats:
            item.add_marker(pytest.mark.thorough)
