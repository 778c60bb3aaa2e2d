/* cost is not between 1 and 10; held back where health_monitor.gold.alert_anomaly_detector@serving expects the value */
SELECT CASE WHEN (condition_met) AND NOT COALESCE(ml_score < 0.0D, FALSE) THEN measured_value END AS `cost`, measured_value, condition_met, ml_score, ml_expected, ml_lower, ml_upper, ml_model_version, ml_closed, ml_levels, (condition_met) AND COALESCE(ml_score < 0.0D, FALSE) AS ml_held
FROM (
SELECT measured_value, COALESCE(isnan(CAST(measured_value AS DOUBLE)) OR CAST(measured_value AS DOUBLE) NOT BETWEEN 1.0D AND 10.0D, FALSE) AS condition_met, CASE WHEN ABS(CAST(measured_value AS DOUBLE)) < CAST('Infinity' AS DOUBLE) THEN NULLIF(NULLIF(greatest((CAST(measured_value AS DOUBLE) - ml_range.upper) / ml_range.scale, (ml_range.lower - CAST(measured_value AS DOUBLE)) / ml_range.scale) + 0D, CAST('Infinity' AS DOUBLE)), -CAST('Infinity' AS DOUBLE)) END AS ml_score, ml_range.expected AS ml_expected, ml_range.lower AS ml_lower, ml_range.upper AS ml_upper, ml_range.model_version AS ml_model_version, ml_range.closed AS ml_closed, ml_range.levels AS ml_levels
FROM (
SELECT measured_value,
  (SELECT CASE WHEN valid_now = 1 AND model_version = newest.model_version THEN named_struct('expected', expected, 'lower', lower, 'upper', upper, 'scale', scale, 'closed', closed, 'levels', levels, 'model_version', model_version) END
    FROM (SELECT COUNT(CASE WHEN is_now THEN 1 END) AS valid_now,
      MAX(CASE WHEN is_now THEN expected END) AS expected,
      MAX(CASE WHEN is_now THEN lower END) AS lower,
      MAX(CASE WHEN is_now THEN upper END) AS upper,
      MAX(CASE WHEN is_now THEN scale END) AS scale,
      MAX(CASE WHEN is_now THEN closed END) AS closed,
      MAX(CASE WHEN is_now THEN levels END) AS levels,
      MAX(CASE WHEN is_now THEN model_version END) AS model_version,
      MAX(named_struct('created_at', created_at, 'model_version', model_version)) AS newest
    FROM (SELECT alert_id, model_name, created_at, CASE WHEN ABS(expected) < CAST('Infinity' AS DOUBLE) THEN expected END AS expected,
      CASE WHEN ABS(lower) < CAST('Infinity' AS DOUBLE) THEN lower END AS lower,
      CASE WHEN ABS(upper) < CAST('Infinity' AS DOUBLE) THEN upper END AS upper,
      CASE WHEN scale > 0 AND scale < CAST('Infinity' AS DOUBLE) THEN scale END AS scale,
      closed,
      levels,
      model_version,
      valid_from <= CURRENT_TIMESTAMP() AND valid_until > CURRENT_TIMESTAMP() AS is_now
    FROM `health_monitor`.`gold`.`expected_ranges`
    WHERE alert_id = 'COST-001' AND model_name = 'health_monitor.gold.alert_anomaly_detector@serving'
      AND created_at <= CURRENT_TIMESTAMP() AND valid_from > CURRENT_TIMESTAMP() - INTERVAL 2 DAYS) AS candidates) AS found) AS ml_range
FROM (
SELECT SUM(`cost`) AS measured_value
FROM (
SELECT list_cost AS cost FROM health_monitor.gold.fact_usage
) AS alert_query
HAVING COUNT(*) > 0
) AS measured
) AS looked_back
) AS decided
