SELECT SUM(`cost`) AS `cost`
FROM (
SELECT 1 AS cost
) AS alert_query
HAVING COUNT(*) > 0
