-- KEYS: stream, progress, errors. ARGV: group, consumer, id.
-- Counts one more start of an entry that the consumer owns.
-- Returns its count, fields and progress; nothing if it is not the consumer's; {0} if it was trimmed, which is
-- acknowledged.
local count = count_of(KEYS[1], ARGV[1], ARGV[3], ARGV[2])
if not count then
    return failure or {}
end
local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3])[1]
if not entry then
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
    redis.call('HDEL', KEYS[2], ARGV[3])
    redis.call('HDEL', KEYS[3], ARGV[3])
    return {0}
end
return {count + 1, entry[2], redis.call('HGET', KEYS[2], ARGV[3]) or ''}
