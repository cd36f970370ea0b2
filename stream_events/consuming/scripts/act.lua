-- KEYS: stream, retry, progress, errors, consumers. ARGV: group, verb, consumer (to claim for), delete, idle (ms),
-- then triples: id, and the owner and count that the operator saw, both '' if only the id is known.
-- Does what an operator orders for pending entries that nobody has changed meanwhile. Returns for each '' when it is
-- done, or why not: gone, owner:…, count, deleted, busy:…, or no consumer.
local stream, retry, group, verb = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

local function changed(row, owner, count)
    if not row then
        return 'gone'
    elseif count ~= '' and row[2] ~= owner then
        return 'owner:' .. row[2]
    elseif count ~= '' and row[4] ~= tonumber(count) then
        return 'count'
    end
end

-- Whether its owner may be handling it: one without a lease is of another program.
local function is_busy(row)
    local lease = redis.call('ZSCORE', KEYS[5], row[2])
    if lease then
        return tonumber(lease) > now()
    end
    return row[2] ~= '' and row[2] ~= '~retry' and row[3] < tonumber(ARGV[5])
end

local function give(id, owner)
    if #redis.call('XRANGE', stream, id, id) == 0 then
        return 'deleted'
    end
    redis.call('XCLAIM', stream, group, owner, 0, id, 'JUSTID')
    redis.call('ZREM', retry, id)
end

local act = {}

function act.ack(id, row, owner, count)
    local why = changed(row, owner, count)
    if why then
        return why
    end
    redis.call('XACK', stream, group, id)
    redis.call('ZREM', retry, id)
    redis.call('HDEL', KEYS[3], id)
    redis.call('HDEL', KEYS[4], id)
    if ARGV[4] == '1' then
        delete(stream, id)
    end
end

function act.retry(id, row, owner, count, at)
    local waits = row and row[2] == '~retry'
    local why = changed(row, waits and '~retry' or owner, count)
    if not why and is_busy(row) then
        why = 'busy:' .. row[2]
    end
    why = why or give(id, '~retry')
    if not why then
        redis.call('ZADD', retry, now() + at / 10000, id)  -- in this order
    end
    return why
end

function act.claim(id, row, owner, count)
    local has = row and row[2] == ARGV[3]
    local due = redis.call('ZSCORE', retry, id)
    local why = changed(row, has and ARGV[3] or owner, count) or give(id, ARGV[3])
    if due and not why then
        -- Another program does not forget what is known of it: “due” looks after that.
        redis.call('ZADD', retry, now() + 30000, id)
    end
    return why
end

local function is_known(consumer)
    if redis.call('ZSCORE', KEYS[5], consumer) then
        return true
    end
    local rows = redis.pcall('XINFO', 'CONSUMERS', stream, group)
    for _, flat in ipairs(rows.err and {} or rows) do
        if flat[2] == consumer then  -- after “name”
            return true
        end
    end
end

local known = verb ~= 'claim' or is_known(ARGV[3])
local outcomes = {}
for at = 6, #ARGV, 3 do
    local row = pending(stream, group, ARGV[at], ARGV[at], 1)[1]
    if failure and #outcomes == 0 then
        return failure  -- later, a stream of entries for one group has gone with the last of them
    end
    outcomes[#outcomes + 1] = known and (act[verb](ARGV[at], row, ARGV[at + 1], ARGV[at + 2], at) or '') or 'no consumer'
end
return outcomes
