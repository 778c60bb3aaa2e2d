/* cost is greater than 100, at 2 evaluations in a row, until it is not above 80 */
SELECT CASE WHEN condition_met AND earlier_not_met = 0 OR (status_before IN ('TRIGGERED', 'SUPPRESSED') AND COALESCE(NOT isnan(CAST(measured_value AS DOUBLE)) AND CAST(measured_value AS DOUBLE) > 80.0D, TRUE)) THEN COALESCE(CAST(measured_value AS STRING), 'NULL') END AS `cost`, measured_value, condition_met, earlier_evaluations, earlier_not_met, status_before
FROM (
SELECT measured_value, earlier_evaluations, earlier_not_met, status_before, COALESCE(NOT isnan(CAST(measured_value AS DOUBLE)) AND CAST(measured_value AS DOUBLE) > 100.0D, FALSE) AS condition_met
FROM (
SELECT measured_value,
  (SELECT COUNT(*) FROM `health_monitor`.`gold`.`alert_history`
    WHERE alert_id = 'COST-001' AND evaluation_status <> 'ERROR'
      AND evaluated_at > CURRENT_TIMESTAMP() - INTERVAL 5400 SECONDS AND evaluated_at <= CURRENT_TIMESTAMP() - INTERVAL 1800 SECONDS) AS earlier_evaluations,
  (SELECT COUNT(CASE WHEN NOT COALESCE(threshold_met, evaluation_status = 'TRIGGERED') THEN 1 END) FROM `health_monitor`.`gold`.`alert_history`
    WHERE alert_id = 'COST-001' AND evaluation_status <> 'ERROR'
      AND evaluated_at > CURRENT_TIMESTAMP() - INTERVAL 5400 SECONDS AND evaluated_at <= CURRENT_TIMESTAMP() - INTERVAL 1800 SECONDS) AS earlier_not_met,
  (SELECT NULLIF(evaluation_status, '') FROM `health_monitor`.`gold`.`alert_history`
    WHERE alert_id = 'COST-001' AND evaluation_status <> 'ERROR'
      AND (evaluation_status <> 'SUPPRESSED' OR threshold_met IS NOT NULL)
      AND evaluated_at > CURRENT_TIMESTAMP() - INTERVAL 19800 SECONDS AND evaluated_at <= CURRENT_TIMESTAMP() - INTERVAL 1800 SECONDS
    ORDER BY evaluated_at DESC, evaluation_id LIMIT 1) AS status_before
FROM (
SELECT SUM(`cost`) AS measured_value
FROM (
SELECT list_cost AS cost FROM health_monitor.gold.fact_usage
) AS alert_query
HAVING COUNT(*) > 0
) AS measured
) AS looked_back
) AS decided
