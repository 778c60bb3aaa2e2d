SELECT SUM(`cost`) AS `cost`
FROM (
SELECT cost FROM health_monitor.gold.t
WHERE day > CURRENT_DATE() - INTERVAL 7 DAYS AND owner = 'o\'brien \\ \"x\"' AND note = 'o\'brien \\ \"x\": 7'
) AS alert_query
HAVING COUNT(*) > 0
