SELECT count(DISTINCT "UserID")
FROM hits
