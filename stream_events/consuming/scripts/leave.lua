-- KEYS: consumers, stream, requeue. ARGV: group, consumer, '1' if that one asks itself, or 'operator'.
-- Removes a consumer without a living lease from the group unless it holds entries, which Redis would drop with it,
-- and the owner of all that wait if nothing waits. Returns 1 when the consumer was removed.
local lease = redis.call('ZSCORE', KEYS[1], ARGV[2])
if ARGV[3] ~= '1' and lease and tonumber(lease) > now() then
    return 0
end
local function holds(stream, name)
    return #pending(stream, ARGV[1], '-', '+', 1, name) > 0
end
local refused
local function remove(stream, name)
    local answer = redis.pcall('XGROUP', 'DELCONSUMER', stream, ARGV[1], name)
    if type(answer) == 'table' and answer.err then
        local is_gone = string.find(answer.err, 'NOGROUP') or string.find(answer.err, 'requires the key to exist')
        refused = refused or not is_gone and answer
    end
end
local removed = 0
if not holds(KEYS[2], ARGV[2]) and not holds(KEYS[3], ARGV[2]) then
    redis.call('ZREM', KEYS[1], ARGV[2])  -- after it, XGROUP is not refused at maxmemory
    remove(KEYS[2], ARGV[2])
    remove(KEYS[3], ARGV[2])
    if refused and ARGV[3] == 'operator' then
        return refused
    end
    removed = 1
end
for at = 2, 3 do
    if not holds(KEYS[at], '~retry') then
        remove(KEYS[at], '~retry')
    end
end
return removed
