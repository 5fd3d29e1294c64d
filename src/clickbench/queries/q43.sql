SELECT date_trunc('minute', to_timestamp_seconds("EventTime")) AS "M", count(*) AS "PageViews"
FROM hits
WHERE "CounterID" = 62 AND "EventDate" >= '2013-07-14' AND "EventDate" <= '2013-07-15'
    AND "IsRefresh" = 0 AND "DontCountHits" = 0
GROUP BY date_trunc('minute', to_timestamp_seconds("EventTime"))
ORDER BY date_trunc('minute', to_timestamp_seconds("EventTime"))
LIMIT 10 OFFSET :scaled_1000
