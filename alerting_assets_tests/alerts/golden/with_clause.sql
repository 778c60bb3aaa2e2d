SELECT SUM(`cost`) AS `cost`
FROM (
WITH a AS (SELECT 1 AS cost) SELECT cost FROM a
) AS alert_query
HAVING COUNT(*) > 0
