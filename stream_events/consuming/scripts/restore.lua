-- KEYS: stream, retry. ARGV: group, offset, count.
-- Puts waiting entries back into the pending list of a group that was made again. Returns how many due times it saw.
local ids = redis.call('ZRANGE', KEYS[2], ARGV[2], ARGV[2] + ARGV[3] - 1)
for _, id in ipairs(ids) do
    if #pending(KEYS[1], ARGV[1], id, id, 1) == 0 and not failure then
        redis.call('XCLAIM', KEYS[1], ARGV[1], '~retry', 0, id, 'FORCE', 'JUSTID')
    end
end
return failure or #ids
