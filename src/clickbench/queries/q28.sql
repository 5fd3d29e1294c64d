SELECT "CounterID", avg(length("URL")) AS l, count(*) AS c
FROM hits
WHERE "URL" <> ''
GROUP BY "CounterID"
HAVING count(*) > :scaled_100000
ORDER BY l DESC
LIMIT 25
