-- KEYS: dead, requeue. ARGV: group, then ids of dead letters.
-- Moves dead letters to the entries for this group only. Returns the ids that were moved.
local moved = {}
for at = 2, #ARGV do
    local letter = redis.call('XRANGE', KEYS[1], ARGV[at], ARGV[at])[1]
    if letter then
        local values = {}
        local fields = letter[2]
        for index = 1, #fields, 2 do
            local name, value = fields[index], fields[index + 1]
            if name == 'dead_entry_id' then
                values[#values + 1] = 'requeued_entry_id'
                values[#values + 1] = value
            elseif name == 'dead_handler' then
                values[#values + 1] = 'requeued_handler'
                values[#values + 1] = value
            elseif name == 'dead_fields' or not string.find(name, '^dead_') and not string.find(name, '^requeued_') then
                values[#values + 1] = name
                values[#values + 1] = value
            end
        end
        local added = redis.pcall('XADD', KEYS[2], '*', unpack(values))
        if added.err then
            return added
        end
        redis.pcall('XGROUP', 'CREATE', KEYS[2], ARGV[1], '0')
        redis.call('XDEL', KEYS[1], ARGV[at])
        moved[#moved + 1] = ARGV[at]
    end
end
return moved
