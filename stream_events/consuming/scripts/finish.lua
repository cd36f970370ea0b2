-- KEYS: stream, retry, progress, errors. ARGV: group, delete, then ids.
-- Acknowledges entries and forgets what is known of them beside the pending list.
local ids = {unpack(ARGV, 3)}
local acknowledged = redis.pcall('XACK', KEYS[1], ARGV[1], unpack(ids))
if type(acknowledged) == 'table' and acknowledged.err then
    return acknowledged
end
redis.call('ZREM', KEYS[2], unpack(ids))
redis.call('HDEL', KEYS[3], unpack(ids))
redis.call('HDEL', KEYS[4], unpack(ids))
for _, id in ipairs(ARGV[2] == '1' and ids or {}) do
    delete(KEYS[1], id)
end
return #ids
