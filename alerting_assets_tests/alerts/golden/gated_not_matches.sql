/* cost does not match /^(SUCCEEDED|SKIPPED)\s∗$/ */
SELECT CASE WHEN condition_met THEN measured_value END AS `cost`, measured_value, condition_met
FROM (
SELECT measured_value, COALESCE(NOT measured_value RLIKE '\\A(?:S(?:UCCEEDED|KIPPED))(?:[\\x{9}-\\x{D}\\x{20}])*\\z', FALSE) AS condition_met
FROM (
SELECT measured_value
FROM (
SELECT MAX(`cost`) AS measured_value
FROM (
SELECT list_cost AS cost FROM health_monitor.gold.fact_usage
) AS alert_query
HAVING COUNT(*) > 0
) AS measured
) AS looked_back
) AS decided
