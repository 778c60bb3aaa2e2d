SELECT AVG(CASE WHEN state IN ('FAILED', 'it\'s late') THEN 100 ELSE 0 END) AS pct
FROM `system`.`lakeflow`.`my runs`
WHERE `end time` > CURRENT_TIMESTAMP() - INTERVAL 24 HOURS
  AND job = 'O\'Brien' AND (TRUE OR retries = 0) AND zone = 'eu'
HAVING COUNT(*) > 0
