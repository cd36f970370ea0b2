-- KEYS: consumers. ARGV: group, consumer, lease (ms).
-- Lets the lease end that much later. Returns 1, or 0 when there was none or it had run out.
local time = now()
local before = redis.call('ZSCORE', KEYS[1], ARGV[2])
-- A script that has written may go on at maxmemory, and removing is never refused.
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[1], time + ARGV[3], ARGV[2])
return (before and tonumber(before) > time) and 1 or 0
