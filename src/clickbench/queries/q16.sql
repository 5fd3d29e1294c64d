SELECT "UserID", count(*)
FROM hits
GROUP BY "UserID"
ORDER BY count(*) DESC
LIMIT 10
