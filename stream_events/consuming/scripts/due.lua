-- KEYS: stream, retry, lost, requeue, progress, errors. ARGV: group, consumer, count, hold (ms).
-- Takes waiting entries that are due. Their due times stay, moved on by the hold for as long as somebody has them in
-- hand, because they are all that is left of the entries if the group is lost. What had waited in a group that was
-- lost is put back into this one first. Of what is not pending any more, everything is forgotten.
-- Returns the ids with their counts, ids whose entries are gone, milliseconds until the next one is due (-1: none),
-- how many wait, and 1 if there is a requeue stream.
local stream, group = KEYS[1], ARGV[1]
local taken, gone = {}, {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, 499)) do
    if #pending(stream, group, id, id, 1) == 0 then
        if failure then
            return failure
        end
        redis.call('XCLAIM', stream, group, '~retry', 0, id, 'RETRYCOUNT', 0, 'FORCE', 'JUSTID')
        redis.call('ZREM', KEYS[3], id)  -- first, because at maxmemory only what removes may begin
        redis.call('ZADD', KEYS[2], now(), id)
    end
    redis.call('ZREM', KEYS[3], id)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now(), 'LIMIT', 0, ARGV[3])) do
    local row = pending(stream, group, id, id, 1)[1]
    if failure then
        return failure
    end
    local owner = row and row[2]
    if owner == '~retry' then
        if #redis.call('XCLAIM', stream, group, ARGV[2], 0, id, 'JUSTID') > 0 then
            taken[#taken + 1] = id
            taken[#taken + 1] = row[4]
        else
            gone[#gone + 1] = id
            owner = nil
        end
    end
    redis.call('ZREM', KEYS[2], id)
    if owner then
        redis.call('ZADD', KEYS[2], now() + ARGV[4], id)
    else
        redis.call('HDEL', KEYS[5], id)
        redis.call('HDEL', KEYS[6], id)
    end
end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local wait = first[2] and math.max(0, math.ceil(tonumber(first[2]) - now())) or -1
return {taken, gone, wait, redis.call('ZCARD', KEYS[2]), redis.call('EXISTS', KEYS[4])}
