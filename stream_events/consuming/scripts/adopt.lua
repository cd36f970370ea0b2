-- KEYS: stream, consumers. ARGV: group, consumer, owner, from (an id), count, idle (ms).
-- Takes entries of an owner whose lease ran out, or that has none and left them alone for that long. The owner ''
-- is nobody: entries that were given up with XNACK. Counts stay as they are.
-- Returns where to go on ('' at the end), the ids with their counts, and the ids whose entries are gone.
local stream, group, me, owner, size = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[5])
local least = tonumber(ARGV[6])
local rows
if owner == '' then
    least = -1
    rows = pending(stream, group, ARGV[4], '+', size)
else
    local lease = redis.call('ZSCORE', KEYS[2], owner)
    if lease and tonumber(lease) > now() then
        return {'', {}, {}}
    end
    if lease then
        least = 0
    end
    rows = pending(stream, group, ARGV[4], '+', size, owner)
end
local ids, counts, last = {}, {}, ''
for _, row in ipairs(rows) do
    last = row[1]
    if row[2] == owner and row[3] >= least then
        ids[#ids + 1] = row[1]
        counts[row[1]] = row[4]
    end
end
local taken, gone = {}, {}
if #ids > 0 then
    local arguments = {unpack(ids)}
    arguments[#arguments + 1] = 'JUSTID'
    for _, id in ipairs(redis.call('XCLAIM', stream, group, me, 0, unpack(arguments))) do
        taken[#taken + 1] = id
        taken[#taken + 1] = counts[id]
        counts[id] = nil
    end
    for _, id in ipairs(ids) do
        if counts[id] then
            gone[#gone + 1] = id
        end
    end
end
return failure or {#rows == size and '(' .. last or '', taken, gone}
