/* cost is between -1.5 and 10 */
SELECT CASE WHEN condition_met THEN measured_value END AS `cost`, measured_value, condition_met
FROM (
SELECT measured_value, COALESCE(NOT isnan(CAST(measured_value AS DOUBLE)) AND CAST(measured_value AS DOUBLE) BETWEEN -1.5D AND 10.0D, FALSE) AS condition_met
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
