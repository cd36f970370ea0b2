-- KEYS: stream, cursor. ARGV: group.
-- Remembers up to where everything is handled: before the first entry that a consumer holds, else the last one that
-- was read. Waiting entries are not looked at; their due times tell of them. Returns that id.
local function map(flat)
    local found = {}
    for at = 1, #flat, 2 do
        found[flat[at]] = flat[at + 1]
    end
    return found
end
local function parts(id)
    local milliseconds, sequence = string.match(id, '(%d+)-(%d+)')
    return tonumber(milliseconds), tonumber(sequence)
end
if redis.call('GET', KEYS[2]) == 'deleted' then  -- by an operator, who is about to destroy the group as well
    return false
end
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if groups.err then
    return not string.find(groups.err, 'no such key') and groups
end
local group
for _, flat in ipairs(groups) do
    local one = map(flat)
    if one.name == ARGV[1] then
        group = one
    end
end
if not group then
    return false
end
local held, first = 0, nil
local function see(rows)
    local id = rows[1] and rows[1][1]
    if id then
        local ms, sequence = parts(id)
        if not first or ms < first[1] or (ms == first[1] and sequence < first[2]) then
            first = {ms, sequence}
        end
    end
end
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local consumer = map(flat)
    held = held + consumer.pending
    if consumer.pending > 0 and consumer.name ~= '~retry' then
        see(pending(KEYS[1], ARGV[1], '-', '+', 1, consumer.name))
    end
end
if held < group.pending then  -- some were given up with XNACK, and have no owner
    see(pending(KEYS[1], ARGV[1], '-', '+', 1))
end
local mark = group['last-delivered-id']
if first then
    local ms, sequence = first[1], first[2]
    -- Numbers of this size are exact up to 2^53 only; beyond, the millisecond before is safe.
    if sequence > 0 and sequence < 9007199254740992 then
        mark = string.format('%.0f-%.0f', ms, sequence - 1)
    else
        mark = string.format('%.0f-18446744073709551615', math.max(0, ms - 1))
    end
end
redis.call('DEL', KEYS[2])  -- after it, SET is not refused at maxmemory
redis.call('SET', KEYS[2], mark)
return mark
