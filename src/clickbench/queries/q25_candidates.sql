SELECT "SearchPhrase"
FROM hits
WHERE "SearchPhrase" <> '' AND "EventTime" <= (
    SELECT max("EventTime")
    FROM (
        SELECT "EventTime"
        FROM hits
        WHERE "SearchPhrase" <> ''
        ORDER BY "EventTime"
        LIMIT 10
    ) AS first
)
