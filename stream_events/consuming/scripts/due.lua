-- KEYS: stream, retry, requeue. ARGV: group, consumer, count.
-- Takes waiting entries that are due, unless somebody took them away from the owner of all that wait.
-- Returns the ids with their counts, ids whose entries are gone, milliseconds until the next one is due (-1: none),
-- how many wait, and 1 if there is a requeue stream.
local taken, gone = {}, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now(), 'LIMIT', 0, ARGV[3])) do
    local count = count_of(KEYS[1], ARGV[1], id, '~retry')
    if count then
        if #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'JUSTID') > 0 then
            taken[#taken + 1] = id
            taken[#taken + 1] = count
        else
            gone[#gone + 1] = id
        end
    end
    if failure then
        return failure  -- the due times are needed when the group is made again
    end
    redis.call('ZREM', KEYS[2], id)
end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local wait = first[2] and math.max(0, tonumber(first[2]) - now()) or -1
return {taken, gone, wait, redis.call('ZCARD', KEYS[2]), redis.call('EXISTS', KEYS[3])}
