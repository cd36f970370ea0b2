-- KEYS: stream. ARGV: group, consumer.
-- Removes the consumer from the group unless it holds entries: XGROUP DELCONSUMER would drop those for ever.
-- Returns 1 when it was removed. Safe to run twice.
local held = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if #held > 0 then
    return 0
end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
