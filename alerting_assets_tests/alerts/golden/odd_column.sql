SELECT SUM(`the ``cost```) AS `the ``cost```
FROM (
SELECT 1 AS `the ``cost```
) AS alert_query
HAVING COUNT(*) > 0
