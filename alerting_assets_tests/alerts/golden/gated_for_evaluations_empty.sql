/* cost is greater than 100, at 3 evaluations in a row */
SELECT CASE WHEN condition_met AND earlier_not_met = 0 THEN CASE WHEN returned_row THEN COALESCE(CAST(measured_value AS STRING), 'NULL') ELSE 'no row' END END AS `cost`, measured_value, condition_met, returned_row, earlier_evaluations, earlier_not_met
FROM (
SELECT measured_value, returned_row, earlier_evaluations, earlier_not_met, NOT returned_row OR COALESCE(NOT isnan(CAST(measured_value AS DOUBLE)) AND CAST(measured_value AS DOUBLE) > 100.0D, FALSE) AS condition_met
FROM (
SELECT measured_value, returned_row,
  (SELECT COUNT(*) FROM `health_monitor`.`gold`.`alert_history`
    WHERE alert_id = 'COST-001' AND evaluation_status <> 'ERROR'
      AND evaluated_at > CURRENT_TIMESTAMP() - INTERVAL 9000 SECONDS AND evaluated_at <= CURRENT_TIMESTAMP() - INTERVAL 1800 SECONDS) AS earlier_evaluations,
  (SELECT COUNT(CASE WHEN NOT COALESCE(threshold_met, evaluation_status = 'TRIGGERED') THEN 1 END) FROM `health_monitor`.`gold`.`alert_history`
    WHERE alert_id = 'COST-001' AND evaluation_status <> 'ERROR'
      AND evaluated_at > CURRENT_TIMESTAMP() - INTERVAL 9000 SECONDS AND evaluated_at <= CURRENT_TIMESTAMP() - INTERVAL 1800 SECONDS) AS earlier_not_met
FROM (
SELECT FIRST(measured_value) AS measured_value, COUNT(*) > 0 AS returned_row
FROM (
SELECT SUM(`cost`) AS measured_value
FROM (
SELECT list_cost AS cost FROM health_monitor.gold.fact_usage
) AS alert_query
HAVING COUNT(*) > 0
) AS returned
) AS measured
) AS looked_back
) AS decided
