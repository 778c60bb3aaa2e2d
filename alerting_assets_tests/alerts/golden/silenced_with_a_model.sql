/* cost is greater than 100; held back where health_monitor.gold.alert_anomaly_detector@serving expects the value */
SELECT CASE WHEN ((condition_met) AND NOT COALESCE(ml_score < 0.0D, FALSE)) AND silence_id IS NULL THEN measured_value END AS `cost`, measured_value, condition_met, ml_score, ml_expected, ml_lower, ml_upper, ml_model_version, ml_closed, ml_levels, silence_id, (condition_met) AND COALESCE(ml_score < 0.0D, FALSE) AS ml_held
FROM (
SELECT measured_value, COALESCE(NOT isnan(CAST(measured_value AS DOUBLE)) AND CAST(measured_value AS DOUBLE) > 100.0D, FALSE) AS condition_met, CASE
    WHEN CURRENT_TIMESTAMP() >= TIMESTAMP'2026-12-06T01:00:00Z' AND CURRENT_TIMESTAMP() < TIMESTAMP'2026-12-06T03:00:00Z' THEN 'weekly'
    WHEN CURRENT_TIMESTAMP() >= TIMESTAMP'2026-12-13T01:00:00Z' AND CURRENT_TIMESTAMP() < TIMESTAMP'2026-12-13T03:00:00Z' THEN 'weekly'
  END AS silence_id, NULLIF(NULLIF(nanvl(greatest((CAST(measured_value AS DOUBLE) - ml_range.upper) / ml_range.scale, (ml_range.lower - CAST(measured_value AS DOUBLE)) / ml_range.scale) + 0D, NULL), CAST('Infinity' AS DOUBLE)), -CAST('Infinity' AS DOUBLE)) AS ml_score, ml_range.expected AS ml_expected, ml_range.lower AS ml_lower, ml_range.upper AS ml_upper, ml_range.model_version AS ml_model_version, ml_range.closed AS ml_closed, ml_range.levels AS ml_levels
FROM (
SELECT measured_value,
  (SELECT CASE WHEN valid_now = 1 AND valid.model_version = newest.model_version THEN valid END
    FROM (SELECT COUNT(CASE WHEN valid_from <= CURRENT_TIMESTAMP() AND valid_until > CURRENT_TIMESTAMP() THEN 1 END) AS valid_now,
      MAX(CASE WHEN valid_from <= CURRENT_TIMESTAMP() AND valid_until > CURRENT_TIMESTAMP() THEN named_struct('expected', nanvl(expected, NULL), 'lower', nanvl(lower, NULL), 'upper', nanvl(upper, NULL), 'scale', CASE WHEN scale > 0 AND scale < CAST('Infinity' AS DOUBLE) THEN scale END, 'closed', closed, 'levels', levels, 'model_version', model_version) END) AS valid,
      MAX(named_struct('created_at', created_at, 'model_version', model_version)) AS newest
    FROM `health_monitor`.`gold`.`expected_ranges`
    WHERE alert_id = 'COST-001' AND model_name = 'health_monitor.gold.alert_anomaly_detector@serving'
      AND created_at <= CURRENT_TIMESTAMP() AND valid_from > CURRENT_TIMESTAMP() - INTERVAL 2 DAYS) AS found) AS ml_range
FROM (
SELECT SUM(`cost`) AS measured_value
FROM (
SELECT list_cost AS cost FROM health_monitor.gold.fact_usage
) AS alert_query
HAVING COUNT(*) > 0
) AS measured
) AS looked_back
) AS decided
