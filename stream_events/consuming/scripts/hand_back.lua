-- KEYS: stream. ARGV: group, consumer, idle (ms), then pairs of entry id and delivery count.
-- Makes entries that the consumer still owns look idle, with those counts. What somebody else has claimed
-- meanwhile is left alone. Returns how many were handed back. Safe to run twice.
local done = 0
for at = 4, #ARGV, 2 do
    local owned = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[at], ARGV[at], 1, ARGV[2])
    if #owned > 0 then
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[at],
            'IDLE', ARGV[3], 'RETRYCOUNT', ARGV[at + 1], 'JUSTID')
        done = done + 1
    end
end
return done
