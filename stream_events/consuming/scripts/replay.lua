-- KEYS: stream, mark. ARGV: how long the mark is kept (ms), then for each entry: id, how many values, values.
-- Appends entries, in the order of their ids, unless the mark says that they were appended before: a reply was lost.
-- Returns for each its new id, '' if it was appended before, or “refused:” with the reason.
local function longer(one, other)  -- as numbers, which Lua's own cannot hold
    return #one > #other or (#one == #other and one > other)
end
local function follows(one, other)
    local ms, sequence = string.match(one, '(%d+)-(%d+)')
    local other_ms, other_sequence = string.match(other, '(%d+)-(%d+)')
    return longer(ms, other_ms) or (ms == other_ms and longer(sequence, other_sequence))
end
local mark = redis.call('GET', KEYS[2]) or '0-0'
local outcomes, at = {}, 2
while at <= #ARGV do
    local id, count = ARGV[at], tonumber(ARGV[at + 1])
    local outcome = ''
    if follows(id, mark) then
        outcome = redis.pcall('XADD', KEYS[1], '*', unpack(ARGV, at + 2, at + 1 + count))
        if outcome.err then
            outcome = 'refused:' .. outcome.err
        else
            mark = id
            redis.call('SET', KEYS[2], mark, 'PX', ARGV[1])
        end
    end
    outcomes[#outcomes + 1] = outcome
    at = at + 2 + count
end
return outcomes
