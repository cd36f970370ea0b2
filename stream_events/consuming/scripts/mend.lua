-- KEYS: stream, retry. ARGV: group, from (an id), count.
-- Makes waiting entries due now that have no due time. Returns where to go on, '' at the end.
local rows = pending(KEYS[1], ARGV[1], ARGV[2], '+', ARGV[3], '~retry')
for _, row in ipairs(rows) do
    if not redis.call('ZSCORE', KEYS[2], row[1]) then
        redis.call('ZREM', KEYS[2], row[1])  -- at maxmemory only what removes may begin
        redis.call('ZADD', KEYS[2], now(), row[1])
    end
end
return failure or (#rows == tonumber(ARGV[3]) and '(' .. rows[#rows][1] or '')
