-- KEYS: stream, dead, retry, progress, errors.
-- ARGV: group, owner, id, count, delete, new count, delay (ms, '' if nobody wants it any more), progress, error ('' if
-- the last one stays), how many dead letters; for each of them how many values, and those (name, value); then the
-- fields for the case that the entry was trimmed.
-- Writes dead letters of an entry that is still pending with that owner and count, and lets it wait, or is done with
-- it: all of that, or nothing. Returns 1, 0 if the entry is somebody else's, or 'trimmed' if its fields are needed.
local stream, group, id = KEYS[1], ARGV[1], ARGV[3]
if count_of(stream, group, id, ARGV[2]) ~= tonumber(ARGV[4]) then
    -- A stream of entries for one group goes with the last of them: then this one is settled.
    if failure and ARGV[5] == '1' and string.find(failure.err, 'NOGROUP') then
        return 0
    end
    return failure or 0
end
local letters, at = {}, 11
for number = 1, tonumber(ARGV[10]) do
    local reasons = {}
    for index = at + 1, at + ARGV[at] do
        reasons[#reasons + 1] = ARGV[index]
    end
    letters[number] = reasons
    at = at + ARGV[at] + 1
end
local entry = redis.call('XRANGE', stream, id, id)[1]
local fields = entry and entry[2]
if not entry then
    if at > #ARGV then
        return 'trimmed'
    end
    fields = {}
    for index = at, #ARGV do
        fields[#fields + 1] = ARGV[index]
    end
end
if #fields > 2000 then
    -- More than one command can take: all of them in one field, each with its length before it.
    local parts = {}
    for index, value in ipairs(fields) do
        parts[index] = #value .. ':' .. value
    end
    fields = {'dead_fields', table.concat(parts)}
end
for _, reasons in ipairs(letters) do
    local values = {}
    for _, value in ipairs(fields) do
        values[#values + 1] = value
    end
    for _, value in ipairs(reasons) do
        values[#values + 1] = value
    end
    -- Only the first can be refused for memory, and then nothing was written.
    local added = redis.pcall('XADD', KEYS[2], '*', unpack(values))
    if added.err then
        return added
    end
end
if entry and ARGV[7] ~= '' then
    redis.call('XCLAIM', stream, group, '~retry', 0, id, 'RETRYCOUNT', ARGV[6], 'JUSTID')
    redis.call('ZADD', KEYS[3], now() + ARGV[7], id)
    redis.call('HDEL', KEYS[4], id)
    if ARGV[8] ~= '' then
        redis.call('HSET', KEYS[4], id, ARGV[8])
    end
    if ARGV[9] ~= '' then
        redis.call('HSET', KEYS[5], id, ARGV[9])
    end
    return 1
end
redis.call('XACK', stream, group, id)
redis.call('ZREM', KEYS[3], id)
redis.call('HDEL', KEYS[4], id)
redis.call('HDEL', KEYS[5], id)
if ARGV[5] == '1' then
    delete(stream, id)
end
return 1
