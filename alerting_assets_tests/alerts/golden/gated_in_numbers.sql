/* cost is one of 1, 2.5 */
SELECT CASE WHEN condition_met THEN measured_value END AS `cost`, measured_value, condition_met
FROM (
SELECT measured_value, COALESCE(CAST(measured_value AS DOUBLE) IN (1.0D, 2.5D), FALSE) AS condition_met
FROM (
SELECT measured_value
FROM (
SELECT SUM(`cost`) AS measured_value
FROM (
SELECT list_cost AS cost FROM health_monitor.gold.fact_usage
) AS alert_query
HAVING COUNT(*) > 0
) AS measured
) AS looked_back
) AS decided
