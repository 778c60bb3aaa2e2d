-- create schema
CREATE SCHEMA IF NOT EXISTS `health_monitor`.`gold`;

-- create alert_deliveries
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`alert_deliveries` (
  `delivery_id` STRING NOT NULL COMMENT 'the same at each attempt; receivers get it as idempotency key',
  `event` STRING NOT NULL COMMENT 'ALERT, RECOVERY, CHECK_FAILURE, CHECK_RECOVERY, TEST',
  `event_id` STRING NOT NULL,
  `destination_id` STRING NOT NULL COMMENT 'of the workspace, or an e-mail address',
  `alert_id` STRING,
  `incident_id` STRING COMMENT 'what order is kept by, and what PagerDuty takes for one incident',
  `attempted_at` TIMESTAMP NOT NULL,
  `outcome` STRING NOT NULL COMMENT 'SENT; FAILED: refused for good; DEAD: tried for a day in vain',
  `attempts` INT,
  `response` STRING COMMENT 'in short, without secrets',
  `sent_as` STRING COMMENT 'the delivery_id of the message that it went in with others; NULL: it went alone',
  CONSTRAINT `alert_deliveries_key` PRIMARY KEY (`delivery_id`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row a message to one destination, once it is over. Append only. No secret and no address\'s key stands here.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create alert_configurations
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`alert_configurations` (
  `alert_id` STRING NOT NULL COMMENT '[A-Z0-9_-]{1,64}',
  `alert_name` STRING NOT NULL,
  `alert_description` STRING,
  `agent_domain` STRING NOT NULL COMMENT 'COST, SECURITY, PERFORMANCE, RELIABILITY, QUALITY',
  `severity` STRING NOT NULL COMMENT 'CRITICAL, WARNING, INFO',
  `alert_query_template` STRING NOT NULL COMMENT 'one read-only query; ${catalog}, ${gold_schema} and parameters are resolved',
  `aggregation_column` STRING NOT NULL COMMENT 'the column of the query that is measured',
  `aggregation_type` STRING COMMENT 'null takes the first row',
  `operator` STRING NOT NULL,
  `threshold_value_double` DOUBLE,
  `threshold_value_string` STRING,
  `threshold_value_bool` BOOLEAN,
  `threshold_value_min` DOUBLE,
  `threshold_value_max` DOUBLE,
  `threshold_value_list` ARRAY<STRING>,
  `change_direction` STRING COMMENT 'INCREASE, DECREASE, EITHER',
  `change_lookback_seconds` BIGINT,
  `for_evaluations` INT,
  `recovery_threshold_double` DOUBLE,
  `empty_result_state` STRING NOT NULL COMMENT 'OK, TRIGGERED, ERROR',
  `schedule_cron` STRING NOT NULL COMMENT 'Quartz',
  `schedule_timezone` STRING NOT NULL,
  `is_enabled` BOOLEAN NOT NULL,
  `notification_channels` ARRAY<STRING> NOT NULL,
  `notify_on_ok` BOOLEAN NOT NULL,
  `retrigger_seconds` BIGINT COMMENT 'null or 0: once; 1: at every evaluation',
  `custom_subject_template` STRING,
  `custom_body_template` STRING,
  `template_id` STRING,
  `template_params` MAP<STRING, STRING> COMMENT 'values as JSON',
  `ml_model_enabled` BOOLEAN NOT NULL,
  `ml_model_name` STRING,
  `ml_threshold` DOUBLE,
  `ml_shadow` BOOLEAN NOT NULL,
  `ml_max_hold_minutes` INT,
  `ml_suppression_budget` DOUBLE,
  `ml_allow_critical` BOOLEAN NOT NULL,
  `owner` STRING NOT NULL,
  `managed_by` STRING NOT NULL COMMENT 'yaml:<file>, template, sql: who may change the row',
  `tags` MAP<STRING, STRING>,
  `created_at` TIMESTAMP NOT NULL,
  `updated_at` TIMESTAMP,
  `definition_error` STRING COMMENT 'written by the load: why its file\'s present definition is not used; the row is as it was last right',
  `databricks_alert_id` STRING COMMENT 'written by the sync only, as all that follow',
  `databricks_host` STRING COMMENT 'the workspace that databricks_alert_id belongs to',
  `databricks_display_name` STRING,
  `deployment_nonce` STRING,
  `applied_hash` STRING,
  `last_synced_at` TIMESTAMP,
  `last_sync_status` STRING COMMENT 'CREATED, UPDATED, UNCHANGED, DELETED, INVALID, NOT_VALIDATED, ERROR',
  `last_sync_error` STRING,
  `failed_syncs` INT COMMENT 'in a row; the pauses between them grow',
  `routed_to` STRING COMMENT 'whom a route told at the last sync, by name, or why nobody can tell; NULL: none',
  `applied_silences` STRING COMMENT 'the windows in which what is deployed is silent, as JSON: [start, end, silence_id]',
  CONSTRAINT `alert_configurations_key` PRIMARY KEY (`alert_id`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row an alert: what to measure, when it is wrong, whom to tell; and what the sync did with it.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create notification_destinations
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`notification_destinations` (
  `destination_id` STRING NOT NULL COMMENT 'what alerts name in notification_channels',
  `destination_name` STRING NOT NULL COMMENT 'in the workspace',
  `destination_type` STRING NOT NULL COMMENT 'EMAIL, SLACK, WEBHOOK, PAGERDUTY, MICROSOFT_TEAMS',
  `email_addresses` ARRAY<STRING>,
  `secret_ref` STRING COMMENT 'where its URL or key is read from: env:NAME, {{secrets/scope/key}}; never the secret',
  `group_by` STRING COMMENT 'SEVERITY, DOMAIN, OWNER: what alerts have in common that may be one message',
  `is_enabled` BOOLEAN NOT NULL,
  `owner` STRING NOT NULL,
  `managed_by` STRING NOT NULL COMMENT 'yaml:<file>, sql: who may change the row',
  `created_at` TIMESTAMP NOT NULL,
  `updated_at` TIMESTAMP,
  `definition_error` STRING COMMENT 'written by the load: why its file\'s present definition is not used',
  `databricks_destination_id` STRING COMMENT 'written by the sync only, as all that follow',
  `databricks_host` STRING COMMENT 'the workspace that databricks_destination_id belongs to',
  `secret_fingerprint` STRING COMMENT 'of the secret that was last sent, with a salt: tells whether it changed',
  `applied_hash` STRING COMMENT 'of the configuration that the last sync applied, or tried to',
  `last_synced_at` TIMESTAMP,
  `last_sync_status` STRING COMMENT 'CREATED, UPDATED, UNCHANGED, INVALID, ERROR',
  `last_sync_error` STRING,
  `failed_syncs` INT COMMENT 'in a row; the pauses between them grow',
  CONSTRAINT `notification_destinations_key` PRIMARY KEY (`destination_id`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row a destination: whom messages reach, and by which way; and what the sync did with it. No secret stands here.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create destination_deployments
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`destination_deployments` (
  `environment` STRING NOT NULL,
  `databricks_host` STRING NOT NULL,
  `databricks_destination_id` STRING NOT NULL,
  `destination_id` STRING NOT NULL,
  `was_created` BOOLEAN NOT NULL COMMENT 'by us; what was found by its name is never deleted',
  `recorded_at` TIMESTAMP NOT NULL,
  `found_in_use_at` TIMESTAMP COMMENT 'when a sync last wanted to delete it and alerts still used it',
  `removed_at` TIMESTAMP COMMENT 'when a sync deleted it, or found that it is not ours to delete',
  CONSTRAINT `destination_deployments_key` PRIMARY KEY (`environment`, `databricks_host`, `databricks_destination_id`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row a destination in a workspace that is, or was, deployed from notification_destinations. Outlives the configuration.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create notification_routes
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`notification_routes` (
  `route_id` STRING NOT NULL,
  `position` INT NOT NULL COMMENT 'the smallest is asked first',
  `match_alert_ids` ARRAY<STRING> COMMENT 'patterns with * and ?; NULL in all four: every alert',
  `match_domains` ARRAY<STRING>,
  `match_severities` ARRAY<STRING>,
  `match_tags` MAP<STRING, STRING> COMMENT 'tag, pattern of its value',
  `channels` ARRAY<STRING> NOT NULL COMMENT 'as notification_channels of an alert; owner: that of the alert',
  `owner` STRING NOT NULL,
  `managed_by` STRING NOT NULL COMMENT 'yaml:<file>, sql: who may change the row',
  `created_at` TIMESTAMP NOT NULL,
  `updated_at` TIMESTAMP,
  `definition_error` STRING COMMENT 'written by the load: why its file\'s present definition is not used',
  CONSTRAINT `notification_routes_key` PRIMARY KEY (`route_id`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row a route: whom those alerts tell that name no channels. The first, by position, that means an alert counts.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create alert_silences
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`alert_silences` (
  `silence_id` STRING NOT NULL,
  `match_alert_ids` ARRAY<STRING> COMMENT 'patterns with * and ?; NULL in all four: every alert',
  `match_domains` ARRAY<STRING>,
  `match_severities` ARRAY<STRING>,
  `match_tags` MAP<STRING, STRING> COMMENT 'tag, pattern of its value',
  `starts_at` TIMESTAMP COMMENT 'of a recurring silence: NULL where it has no beginning',
  `ends_at` TIMESTAMP COMMENT 'of a recurring silence: NULL where it has no end',
  `schedule_cron` STRING COMMENT 'Quartz: when a recurring silence begins',
  `schedule_timezone` STRING,
  `duration_minutes` INT COMMENT 'of each window of a recurring silence, on the clock on the wall',
  `is_forced` BOOLEAN COMMENT 'what lasts longer than 30 days needs it',
  `reason` STRING NOT NULL,
  `created_by` STRING NOT NULL,
  `managed_by` STRING NOT NULL COMMENT 'yaml:<file>, sql: who may change the row',
  `created_at` TIMESTAMP NOT NULL,
  `updated_at` TIMESTAMP,
  `definition_error` STRING COMMENT 'written by the load: why its file\'s present definition is not used',
  CONSTRAINT `alert_silences_key` PRIMARY KEY (`silence_id`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row a silence: which alerts are silent, and when. One that has ended stays, for the record.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create alert_history
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`alert_history` (
  `evaluation_id` STRING NOT NULL,
  `alert_id` STRING NOT NULL,
  `evaluated_at` TIMESTAMP NOT NULL COMMENT 'what the clock said to the query: one moment for all of a run',
  `due_at` TIMESTAMP COMMENT 'the fire time that it answers to; NULL: somebody asked for it',
  `missed` INT COMMENT 'fire times before that one that passed without an evaluation',
  `evaluated_by` STRING NOT NULL COMMENT 'own, workspace',
  `evaluation_status` STRING NOT NULL COMMENT 'OK, TRIGGERED, SUPPRESSED, ERROR',
  `previous_status` STRING,
  `query_result_value` DOUBLE,
  `query_result_string` STRING,
  `row_count` BIGINT,
  `operator` STRING COMMENT 'of the condition as it was then',
  `threshold_value` DOUBLE COMMENT 'of the condition as it was then, where it is a number',
  `threshold_met` BOOLEAN,
  `ml_score` DOUBLE,
  `ml_suppressed` BOOLEAN NOT NULL,
  `ml_shadow` BOOLEAN COMMENT 'it would have been held back, but the alert only tries that out',
  `expected` DOUBLE,
  `lower` DOUBLE,
  `upper` DOUBLE,
  `model_version` STRING,
  `ml_reason` STRING COMMENT 'what held it back, or why nothing could, where the condition was met',
  `silence_id` STRING COMMENT 'where it is SUPPRESSED: by which silence',
  `notified` BOOLEAN,
  `resolution_time_seconds` DOUBLE COMMENT 'on the evaluation that observed the recovery',
  `query_duration_ms` DOUBLE COMMENT 'of the statement, shared equally by the alerts that it judged',
  `statement_alerts` INT COMMENT 'how many alerts the statement judged',
  `error_message` STRING,
  `note` STRING COMMENT 'what stood in for history that a condition on time did not find',
  `config_hash` STRING NOT NULL,
  CONSTRAINT `alert_history_key` PRIMARY KEY (`evaluation_id`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row an evaluation. Append only.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create alert_state
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`alert_state` (
  `alert_id` STRING NOT NULL,
  `evaluation_id` STRING NOT NULL COMMENT 'of the newest evaluation',
  `evaluated_at` TIMESTAMP NOT NULL,
  `evaluated_by` STRING NOT NULL COMMENT 'own, workspace',
  `evaluation_status` STRING NOT NULL COMMENT 'OK, TRIGGERED, SUPPRESSED, ERROR',
  `status_since` TIMESTAMP NOT NULL COMMENT 'the first of the evaluations in a row that said so',
  `query_result_value` DOUBLE,
  `query_result_string` STRING,
  `error_message` STRING,
  `note` STRING,
  `due_at` TIMESTAMP COMMENT 'the newest fire time that was answered',
  `workspace_evaluated_at` TIMESTAMP COMMENT 'the newest evaluation that the workspace made by itself',
  `incident_id` STRING COMMENT 'of the newest incident, open or not',
  `incident_opened_at` TIMESTAMP,
  `incident_resolved_at` TIMESTAMP COMMENT 'NULL: it is open',
  `incident_last_evaluated_at` TIMESTAMP,
  `incident_evaluations` BIGINT,
  `incident_peak_value` DOUBLE,
  `incident_reopened` BIGINT,
  `history_table_id` STRING NOT NULL COMMENT 'Delta\'s id of the alert_history that it was made from',
  `history_version` BIGINT NOT NULL COMMENT 'everything up to this version of it is in this table',
  `history_commit` STRING COMMENT 'of that version: a restored table reaches the same version by another commit',
  CONSTRAINT `alert_state_key` PRIMARY KEY (`alert_id`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row an alert that was ever evaluated: what is true now. Made from alert_history, and can be made again at any time.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create alert_incidents
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`alert_incidents` (
  `incident_id` STRING NOT NULL,
  `alert_id` STRING NOT NULL,
  `opened_at` TIMESTAMP NOT NULL,
  `resolved_at` TIMESTAMP COMMENT 'NULL: it is open',
  `resolution_time_seconds` DOUBLE,
  `last_evaluated_at` TIMESTAMP NOT NULL COMMENT 'the newest evaluation that belongs to it',
  `evaluations` BIGINT NOT NULL COMMENT 'that said TRIGGERED or SUPPRESSED',
  `peak_value` DOUBLE COMMENT 'the largest value; of a condition that fires below, the smallest',
  `reopened` BIGINT NOT NULL COMMENT 'how often it fired again within ALERTING_REOPEN_MINUTES of a recovery',
  `acknowledged_by` STRING,
  `acknowledged_at` TIMESTAMP,
  `label` STRING COMMENT 'TRUE_POSITIVE, FALSE_POSITIVE',
  `label_source` STRING COMMENT 'who says so',
  `labelled_at` TIMESTAMP,
  `history_table_id` STRING NOT NULL COMMENT 'Delta\'s id of the alert_history that it was made from',
  `history_version` BIGINT NOT NULL COMMENT 'the version of it that it was made from: a newer one wins',
  CONSTRAINT `alert_incidents_key` PRIMARY KEY (`incident_id`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row an incident: from the first TRIGGERED to the recovery. Acknowledgement and label are people\'s.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create alert_query_validations
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`alert_query_validations` (
  `alert_id` STRING NOT NULL,
  `compiled_hash` STRING NOT NULL,
  `schema_hash` STRING,
  `validated_at` TIMESTAMP NOT NULL,
  `verdict` STRING NOT NULL COMMENT 'VALID, INVALID, UNSUPPORTED',
  `rule` STRING,
  `message` STRING,
  `line` INT,
  `column` INT,
  `rule_group` STRING COMMENT 'syntax, safety, references, analysis, contract, quality',
  `findings` STRING COMMENT 'JSON: all findings, warnings too; rule, message, line, column are those of the one that decides',
  `policy_hash` STRING COMMENT 'of the rules, settings and engine that the verdict was given under',
  `row_hash` STRING COMMENT 'of the configuration and the target that the query was compiled from',
  `tables_read` STRING COMMENT 'JSON: catalog, schema and name of each table that schema_hash is about'
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'The verdict on each compiled query, for the schemas of the tables that it reads.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create alert_sync_metrics
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`alert_sync_metrics` (
  `sync_run_id` STRING NOT NULL,
  `sync_started_at` TIMESTAMP NOT NULL,
  `sync_ended_at` TIMESTAMP NOT NULL,
  `total_alerts` INT NOT NULL COMMENT 'all configured alerts, and those removed: success_count, error_count, invalid_count',
  `success_count` INT NOT NULL COMMENT 'true in the workspace: created, updated, deleted and unchanged',
  `error_count` INT NOT NULL COMMENT 'a request failed, or nobody can say what is deployed',
  `created_count` INT NOT NULL,
  `updated_count` INT NOT NULL,
  `deleted_count` INT NOT NULL,
  `avg_api_latency_ms` DOUBLE COMMENT 'of one request; NULL, never 0, when none was sent',
  `max_api_latency_ms` DOUBLE COMMENT 'NULL, never 0, when no request was sent',
  `total_duration_seconds` DOUBLE NOT NULL,
  `unchanged_count` INT NOT NULL COMMENT 'true already: no write was sent',
  `invalid_count` INT NOT NULL COMMENT 'not true, and no request is sent: quarantined, not validated, left as changed by hand, a removal that waits',
  `p95_api_latency_ms` DOUBLE COMMENT 'nearest rank; NULL, never 0, when no request was sent',
  `api_calls` INT NOT NULL COMMENT 'requests sent to the workspace, repetitions included',
  `retries` INT NOT NULL COMMENT 'repetitions among api_calls',
  `dry_run` BOOLEAN NOT NULL COMMENT 'a plan: nothing was written',
  `environment` STRING NOT NULL,
  `started_by` STRING NOT NULL COMMENT 'command, dagster run <id>',
  `syncs_avoided` INT NOT NULL COMMENT 'looks at the change feed since the last sync that found nothing to do',
  `error_message` STRING COMMENT 'why the sync failed as a whole',
  CONSTRAINT `alert_sync_metrics_key` PRIMARY KEY (`sync_run_id`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row a sync: what it did, how long it took, what it asked of the workspace. Also failed, empty and dry ones. Append only.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create sync_leases
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`sync_leases` (
  `environment` STRING NOT NULL,
  `holder` STRING NOT NULL,
  `expires_at` TIMESTAMP NOT NULL,
  `synced_host` STRING COMMENT 'the workspace that the last complete sync made true',
  `synced_table_id` STRING COMMENT 'Delta\'s id of the alert_configurations that it read',
  `synced_version` BIGINT COMMENT 'all changes up to this version of it are deployed, or their failure recorded',
  `synced_commit` STRING COMMENT 'of that version: a restored table reaches the same version by another commit',
  CONSTRAINT `sync_leases_key` PRIMARY KEY (`environment`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One sync at a time an environment, whoever starts it.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create alert_deployments
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`alert_deployments` (
  `environment` STRING NOT NULL,
  `databricks_host` STRING NOT NULL,
  `deployment_nonce` STRING NOT NULL COMMENT 'of the marker, drawn before the creation is sent',
  `alert_id` STRING NOT NULL,
  `databricks_alert_id` STRING COMMENT 'NULL until the workspace answered to the creation',
  `recorded_at` TIMESTAMP NOT NULL,
  `trashed_at` TIMESTAMP COMMENT 'when a sync trashed it; the row stays, since copies of the alert may',
  CONSTRAINT `alert_deployments_key` PRIMARY KEY (`environment`, `databricks_host`, `deployment_nonce`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row a deployment that was begun: by which nonce, and under which id, an alert is ours. Outlives the configuration.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create expected_ranges
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`expected_ranges` (
  `alert_id` STRING NOT NULL,
  `model_name` STRING NOT NULL COMMENT '<registered model>@<alias>, as the alert names it',
  `valid_from` TIMESTAMP NOT NULL,
  `valid_until` TIMESTAMP NOT NULL COMMENT 'without this moment itself',
  `expected` DOUBLE,
  `lower` DOUBLE COMMENT 'values below are told; NULL: nothing is held on that side',
  `upper` DOUBLE COMMENT 'values above are told; NULL: nothing is held on that side',
  `scale` DOUBLE COMMENT 'the unit of ml_score, in units of the value; greater than zero',
  `closed` STRING COMMENT 'why less is held than could be, or nothing',
  `levels` STRING COMMENT 'JSON: side -> up to where each reason expects values',
  `model_version` STRING NOT NULL,
  `created_at` TIMESTAMP NOT NULL,
  CONSTRAINT `expected_ranges_key` PRIMARY KEY (`alert_id`, `model_name`, `valid_from`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row an alert, model and hour, written before the hour begins: which values are expected. Deployed queries read it.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create alert_backfill
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`alert_backfill` (
  `alert_id` STRING NOT NULL,
  `evaluated_at` TIMESTAMP NOT NULL COMMENT 'what the clock said to the query',
  `query_result_value` DOUBLE,
  `threshold_met` BOOLEAN,
  `config_hash` STRING NOT NULL COMMENT 'of what the alert measured when this was computed',
  `backfilled_at` TIMESTAMP NOT NULL,
  CONSTRAINT `alert_backfill_key` PRIMARY KEY (`alert_id`, `evaluated_at`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row an alert and moment: what its query would have measured then. Models learn from it where there is no evaluation.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- create expected_events
CREATE TABLE IF NOT EXISTS `health_monitor`.`gold`.`expected_events` (
  `event_id` STRING NOT NULL,
  `match_alert_ids` ARRAY<STRING> COMMENT 'patterns with * and ?; NULL in all four: every alert',
  `match_domains` ARRAY<STRING>,
  `match_severities` ARRAY<STRING>,
  `match_tags` MAP<STRING, STRING> COMMENT 'tag, pattern of its value',
  `starts_at` TIMESTAMP NOT NULL,
  `ends_at` TIMESTAMP NOT NULL,
  `expected_value` DOUBLE COMMENT 'up to which value is expected (down to, where low values fire)',
  `expected_factor` DOUBLE COMMENT 'or: up to how many times what else is expected at that hour',
  `reason` STRING NOT NULL,
  `created_by` STRING NOT NULL,
  `managed_by` STRING NOT NULL COMMENT 'yaml:<file>, sql: who may change the row',
  `created_at` TIMESTAMP NOT NULL,
  `updated_at` TIMESTAMP,
  `definition_error` STRING COMMENT 'written by the load: why its file\'s present definition is not used',
  CONSTRAINT `expected_events_key` PRIMARY KEY (`event_id`)
)
USING DELTA
CLUSTER BY AUTO
COMMENT 'One row a planned event: which alerts it is about, when it is, and how much more is expected then.'
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');

-- add columns
ALTER TABLE `health_monitor`.`gold`.`alert_configurations` ADD COLUMNS (
  `later` MAP<STRING, STRING> COMMENT 'it\'s new'
);

-- turn on the change feed
ALTER TABLE `health_monitor`.`gold`.`alert_configurations` SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true', 'layer' = 'gold');

-- append
INSERT INTO `health_monitor`.`gold`.`alert_configurations` (`alert_id`, `alert_name`, `managed_by`, `tags`)
SELECT `alert_id`, `alert_name`, `managed_by`, `tags` FROM (SELECT inline(from_json(:rows, 'ARRAY<STRUCT<`alert_id`: STRING, `alert_name`: STRING, `managed_by`: STRING, `tags`: MAP<STRING, STRING>>>', map('mode', 'FAILFAST'))));

-- merge of a YAML file's rows
MERGE INTO `health_monitor`.`gold`.`alert_configurations` AS target
USING (
  SELECT source.`alert_id`, source.`alert_name`, source.`managed_by`, source.`tags` FROM (SELECT inline(from_json(:rows, 'ARRAY<STRUCT<`alert_id`: STRING, `alert_name`: STRING, `managed_by`: STRING, `tags`: MAP<STRING, STRING>>>', map('mode', 'FAILFAST')))) AS source
  LEFT ANTI JOIN `health_monitor`.`gold`.`alert_configurations` AS target ON target.`alert_id` = source.`alert_id` AND NOT COALESCE(NOT (target.`alert_name` <=> source.`alert_name`) OR NOT (array_sort(map_entries(target.`tags`)) <=> array_sort(map_entries(source.`tags`))), false)
) AS source
ON target.`alert_id` = source.`alert_id`
WHEN MATCHED AND (NOT (target.`alert_name` <=> source.`alert_name`) OR NOT (array_sort(map_entries(target.`tags`)) <=> array_sort(map_entries(source.`tags`)))) THEN UPDATE SET target.`alert_name` = source.`alert_name`, target.`tags` = source.`tags`
WHEN NOT MATCHED THEN INSERT (`alert_id`, `alert_name`, `managed_by`, `tags`) VALUES (source.`alert_id`, source.`alert_name`, source.`managed_by`, source.`tags`);

-- merge that takes a lease
MERGE INTO `health_monitor`.`gold`.`sync_leases` AS target
USING (
  SELECT source.`environment`, source.`holder`, source.`expires_at`, source.`synced_host`, source.`synced_table_id`, source.`synced_version`, source.`synced_commit`, source.`now` FROM (SELECT inline(from_json(:rows, 'ARRAY<STRUCT<`environment`: STRING, `holder`: STRING, `expires_at`: TIMESTAMP, `synced_host`: STRING, `synced_table_id`: STRING, `synced_version`: BIGINT, `synced_commit`: STRING, `now`: TIMESTAMP>>', map('mode', 'FAILFAST')))) AS source
  LEFT ANTI JOIN `health_monitor`.`gold`.`sync_leases` AS target ON target.`environment` = source.`environment` AND NOT COALESCE((NOT (target.`holder` <=> source.`holder`) OR NOT (target.`expires_at` <=> source.`expires_at`)) AND (target.expires_at < source.now), false)
) AS source
ON target.`environment` = source.`environment`
WHEN MATCHED AND ((NOT (target.`holder` <=> source.`holder`) OR NOT (target.`expires_at` <=> source.`expires_at`)) AND (target.expires_at < source.now)) THEN UPDATE SET target.`holder` = source.`holder`, target.`expires_at` = source.`expires_at`
WHEN NOT MATCHED THEN INSERT (`environment`, `holder`, `expires_at`, `synced_host`, `synced_table_id`, `synced_version`, `synced_commit`) VALUES (source.`environment`, source.`holder`, source.`expires_at`, source.`synced_host`, source.`synced_table_id`, source.`synced_version`, source.`synced_commit`);

-- delete
MERGE INTO `health_monitor`.`gold`.`alert_configurations` AS target
USING (SELECT inline(from_json(:rows, 'ARRAY<STRUCT<`alert_id`: STRING>>', map('mode', 'FAILFAST')))) AS source
ON target.`alert_id` = source.`alert_id`
WHEN MATCHED THEN DELETE;

-- read
SELECT `alert_id`, `tags` FROM `health_monitor`.`gold`.`alert_configurations`;

-- changes
SELECT * FROM table_changes('`health_monitor`.`gold`.`alert_configurations`', 4, 7);

-- which columns are NOT NULL
SELECT column_name FROM `health_monitor`.information_schema.columns
WHERE table_schema = 'gold' AND table_name = 'alert_configurations' AND is_nullable = 'NO';

-- create metric view
CREATE OR REPLACE VIEW `health_monitor`.`gold`.`alert_sync_performance_metrics`
WITH METRICS
LANGUAGE YAML
AS $$
# Columns have no `source.` in front: Spark's own metric views resolve plain names only, Databricks both (by its documentation).
# success_rate and avg_api_latency weigh every alert and every request alike. An average of the syncs' own averages would count a
# sync of one alert as much as one of a thousand, and then neither measure would be what its comment says.
# Dry runs are left out, because they sync nothing.
# Hours and dates are those of the session's time zone; our own sessions run in UTC.
version: "1.1"
comment: >
  Alert sync performance and reliability metrics.
  BEST FOR: Sync success rate | API latency trends | Error rates | Sync duration

source: health_monitor.gold.alert_sync_metrics

filter: NOT dry_run

dimensions:
  - name: sync_date
    expr: DATE(sync_started_at)
    comment: Date of sync operation
    display_name: Sync Date

  - name: sync_hour
    expr: HOUR(sync_started_at)
    comment: Hour of sync operation
    display_name: Sync Hour

measures:
  - name: total_syncs
    expr: COUNT(sync_run_id)
    comment: Total number of sync operations
    display_name: Total Syncs
    format:
      type: number

  - name: success_rate
    expr: CAST(SUM(success_count) AS DOUBLE) / NULLIF(SUM(total_alerts), 0)
    comment: Percentage of successful alert syncs
    display_name: Success Rate
    format:
      type: percentage
      decimal_places:
        type: exact
        places: 1

  - name: avg_duration
    expr: AVG(total_duration_seconds)
    comment: Average sync operation duration
    display_name: Avg Duration (s)
    format:
      type: number
      decimal_places:
        type: exact
        places: 2

  - name: avg_api_latency
    expr: SUM(avg_api_latency_ms * api_calls) / NULLIF(SUM(api_calls), 0)
    comment: Average API call latency
    display_name: Avg API Latency (ms)
    format:
      type: number
      decimal_places:
        type: exact
        places: 0

  - name: avoided_write_share
    expr: CAST(SUM(unchanged_count) AS DOUBLE) / NULLIF(SUM(total_alerts), 0)
    comment: Percentage of alerts that a sync found as configured, so that it wrote nothing
    display_name: Avoided Writes
    format:
      type: percentage
      decimal_places:
        type: exact
        places: 1

  - name: avoided_sync_share
    expr: CAST(SUM(syncs_avoided) AS DOUBLE) / (SUM(syncs_avoided) + COUNT(sync_run_id))
    comment: Percentage of looks at the change feed that found nothing to do, so that no sync started
    display_name: Avoided Syncs
    format:
      type: percentage
      decimal_places:
        type: exact
        places: 1
$$;

-- create view
CREATE OR REPLACE VIEW `health_monitor`.`gold`.`v` AS
SELECT 1 AS one;
