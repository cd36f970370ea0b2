-- KEYS: stream, retry. ARGV: group, owner, then triples: id, count, new count.
-- Hands entries back that are still pending with that owner and count: they wait, and are due now, in this order.
-- Returns the ids that wait, and those whose entries were trimmed, which stay with their owner.
local waiting, trimmed = {}, {}
local due = now()
for at = 3, #ARGV, 3 do
    local id = ARGV[at]
    if count_of(KEYS[1], ARGV[1], id, ARGV[2]) == tonumber(ARGV[at + 1]) then
        if #redis.call('XRANGE', KEYS[1], id, id) == 0 then
            trimmed[#trimmed + 1] = id
        else
            redis.call('XCLAIM', KEYS[1], ARGV[1], '~retry', 0, id, 'RETRYCOUNT', ARGV[at + 2], 'JUSTID')
            redis.call('ZADD', KEYS[2], due + at / 10000, id)
            waiting[#waiting + 1] = id
        end
    end
end
return failure or {waiting, trimmed}
