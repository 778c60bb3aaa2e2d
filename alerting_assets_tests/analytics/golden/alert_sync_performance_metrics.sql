SELECT
  DATE(sync_started_at) AS sync_date,
  HOUR(sync_started_at) AS sync_hour,
  COUNT(sync_run_id) AS total_syncs,
  CAST(SUM(success_count) AS DOUBLE) / NULLIF(SUM(total_alerts), 0) AS success_rate,
  AVG(total_duration_seconds) AS avg_duration,
  SUM(avg_api_latency_ms * api_calls) / NULLIF(SUM(api_calls), 0) AS avg_api_latency,
  CAST(SUM(unchanged_count) AS DOUBLE) / NULLIF(SUM(total_alerts), 0) AS avoided_write_share,
  CAST(SUM(syncs_avoided) AS DOUBLE) / (SUM(syncs_avoided) + COUNT(sync_run_id)) AS avoided_sync_share
FROM health_monitor.gold.alert_sync_metrics
WHERE NOT dry_run
GROUP BY DATE(sync_started_at), HOUR(sync_started_at)
