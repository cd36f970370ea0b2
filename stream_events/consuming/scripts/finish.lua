-- KEYS: stream, retry, progress, errors. ARGV: group, delete, then ids.
-- Acknowledges entries and forgets what is known of them beside the pending list.
for at = 3, #ARGV do
    local acknowledged = redis.pcall('XACK', KEYS[1], ARGV[1], ARGV[at])
    if type(acknowledged) == 'table' and acknowledged.err then
        return acknowledged
    end
    redis.call('ZREM', KEYS[2], ARGV[at])
    redis.call('HDEL', KEYS[3], ARGV[at])
    redis.call('HDEL', KEYS[4], ARGV[at])
    if ARGV[2] == '1' then
        delete(KEYS[1], ARGV[at])
    end
end
return #ARGV - 2
