/* cost rises by 20 % or more against 1 hour before */
SELECT CASE WHEN condition_met THEN measured_value END AS `cost`, measured_value, condition_met, base_value
FROM (
SELECT measured_value, base_value, COALESCE(NOT isnan(CAST(measured_value AS DOUBLE)) AND CAST(measured_value AS DOUBLE) > base_value AND ABS(CAST(measured_value AS DOUBLE) - base_value) >= 20.0D * ABS(base_value) / 100D, FALSE) AS condition_met
FROM (
SELECT measured_value,
  (SELECT query_result_value FROM `health_monitor`.`gold`.`alert_history`
    WHERE alert_id = 'COST-001' AND evaluation_status <> 'ERROR'
      AND query_result_value IS NOT NULL AND NOT isnan(query_result_value)
      AND evaluated_at > CURRENT_TIMESTAMP() - INTERVAL 5400 SECONDS AND evaluated_at <= CURRENT_TIMESTAMP() - INTERVAL 1800 SECONDS
    ORDER BY ABS(unix_seconds(evaluated_at) - unix_seconds(CURRENT_TIMESTAMP()) + 3600), evaluated_at, evaluation_id LIMIT 1) AS base_value
FROM (
SELECT SUM(`cost`) AS measured_value
FROM (
SELECT list_cost AS cost FROM health_monitor.gold.fact_usage
) AS alert_query
HAVING COUNT(*) > 0
) AS measured
) AS looked_back
) AS decided
