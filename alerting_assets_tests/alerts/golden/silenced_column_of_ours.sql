/* measured_value is greater than 100 */
SELECT CASE WHEN (condition_met) AND silence_id IS NULL THEN measured_value END AS `measured_value`, condition_met, returned_row, silence_id
FROM (
SELECT measured_value, returned_row, NOT returned_row OR COALESCE(NOT isnan(CAST(measured_value AS DOUBLE)) AND CAST(measured_value AS DOUBLE) > 100.0D, FALSE) AS condition_met, CASE
    WHEN CURRENT_TIMESTAMP() >= TIMESTAMP'2026-12-06T01:00:00Z' AND CURRENT_TIMESTAMP() < TIMESTAMP'2026-12-06T03:00:00Z' THEN 'weekly'
    WHEN CURRENT_TIMESTAMP() >= TIMESTAMP'2026-12-13T01:00:00Z' AND CURRENT_TIMESTAMP() < TIMESTAMP'2026-12-13T03:00:00Z' THEN 'weekly'
  END AS silence_id
FROM (
SELECT measured_value, returned_row
FROM (
SELECT FIRST(measured_value) AS measured_value, COUNT(*) > 0 AS returned_row
FROM (
SELECT `measured_value` AS measured_value
FROM (
SELECT SUM(`measured_value`) AS `measured_value`
FROM (
SELECT list_cost AS cost FROM health_monitor.gold.fact_usage
) AS alert_query
HAVING COUNT(*) > 0
) AS alert
) AS returned
) AS measured
) AS looked_back
) AS decided
WHERE returned_row OR silence_id IS NOT NULL
