-- KEYS: stream, dead, retry, progress.
-- ARGV: group, owner, id, count, progress, delete, how many of the next values are reasons, reasons (name, value),
-- then the fields for the case that the entry was trimmed.
-- Copies an entry that is still pending with that owner and count to the dead letters. Without progress it is done
-- with: acknowledged, and deleted if so told. With progress, it stays: other handlers still want it.
-- Returns the id of the dead letter, '' if the entry is somebody else's, or 'trimmed' if its fields are needed.
local id, reasons = ARGV[3], tonumber(ARGV[7])
if count_of(KEYS[1], ARGV[1], id, ARGV[2]) ~= tonumber(ARGV[4]) then
    return failure or ''
end
local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
local fields = entry and entry[2] or {}
if not entry then
    if #ARGV == 7 + reasons then
        return 'trimmed'
    end
    for at = 8 + reasons, #ARGV do
        fields[#fields + 1] = ARGV[at]
    end
end
local values = fields
if #fields > 2000 then
    -- More than one command can take: all of them in one field, each with its length before it.
    local parts = {}
    for at, value in ipairs(fields) do
        parts[at] = #value .. ':' .. value
    end
    values = {'dead_fields', table.concat(parts)}
end
for at = 8, 7 + reasons do
    values[#values + 1] = ARGV[at]
end
local added = redis.pcall('XADD', KEYS[2], '*', unpack(values))
if added.err then
    return added
end
if ARGV[5] ~= '' then
    redis.call('HSET', KEYS[4], id, ARGV[5])
    return added
end
redis.call('XACK', KEYS[1], ARGV[1], id)
redis.call('ZREM', KEYS[3], id)
redis.call('HDEL', KEYS[4], id)
if ARGV[6] == '1' then
    delete(KEYS[1], id)
end
return added
