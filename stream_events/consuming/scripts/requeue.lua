-- KEYS: dead, requeue. ARGV: group, when (ISO), by whom, then ids of dead letters.
-- Moves dead letters to the entries for this group only, with the history of that, about a megabyte of them. Returns
-- how many of the ids it has looked at, and those that were moved.
local function last_line(text)
    text = text or ''
    local last = #text
    while last > 0 and string.find(text, '^%s', last) do  -- a pattern for all of it would take the square of its length
        last = last - 1
    end
    local first = last
    while first > 0 and string.byte(text, first) ~= 10 do
        first = first - 1
    end
    text = string.sub(text, first + 1, last)
    return #text <= 500 and text or (string.gsub(string.sub(text, 1, 500), '[\192-\255][\128-\191]*$', ''))
end
local function history(before, error)
    local known, list = pcall(cjson.decode, before or '[]')
    list = known and type(list) == 'table' and list or {}
    local kept = {unpack(list, math.max(1, #list - 18), #list)}
    kept[#kept + 1] = {at = ARGV[2], by = ARGV[3], error = last_line(error)}
    local written, text = pcall(cjson.encode, kept)  -- publishers may have written what it refuses, such as 1e999
    return written and text or cjson.encode({kept[#kept]})
end
local moved, seen, weight = {}, 0, 0
for at = 4, #ARGV do
    if weight > 1000000 then
        break
    end
    seen = seen + 1
    local letter = redis.call('XRANGE', KEYS[1], ARGV[at], ARGV[at])[1]
    if letter then
        local values, error, before = {}, nil, nil
        local fields = letter[2]
        for index = 1, #fields, 2 do
            local name, value = fields[index], fields[index + 1]
            weight = weight + #value
            if name == 'dead_entry_id' then
                values[#values + 1] = 'requeued_entry_id'
                values[#values + 1] = value
            elseif name == 'dead_handler' then
                values[#values + 1] = 'requeued_handler'
                values[#values + 1] = value
            elseif name == 'dead_error' then
                error = value
            elseif name == 'requeued_history' then
                before = value
            elseif name == 'dead_fields' or not string.find(name, '^dead_') and not string.find(name, '^requeued_') then
                values[#values + 1] = name
                values[#values + 1] = value
            end
        end
        values[#values + 1] = 'requeued_history'
        values[#values + 1] = history(before, error)
        local added = redis.pcall('XADD', KEYS[2], '*', unpack(values))
        if added.err then
            return added
        end
        redis.pcall('XGROUP', 'CREATE', KEYS[2], ARGV[1], '0')
        redis.call('XDEL', KEYS[1], ARGV[at])
        moved[#moved + 1] = ARGV[at]
    end
end
return {seen, moved}
