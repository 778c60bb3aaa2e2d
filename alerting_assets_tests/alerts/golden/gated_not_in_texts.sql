/* cost is none of 'O'Brien', '日本' */
SELECT CASE WHEN condition_met THEN measured_value END AS `cost`, measured_value, condition_met
FROM (
SELECT measured_value, COALESCE(measured_value NOT IN ('O\'Brien', '日本'), FALSE) AS condition_met
FROM (
SELECT measured_value
FROM (
SELECT `cost` AS measured_value
FROM (
SELECT list_cost AS cost FROM health_monitor.gold.fact_usage
LIMIT 1
) AS first_row
) AS measured
) AS looked_back
) AS decided
