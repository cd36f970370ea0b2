-- Put before every other script. They are safe to run twice, because whoever lost a reply asks again.
-- A command that Redis may refuse is called with pcall and its error returned as it is: versions before 7
-- would hide it behind words of their own.
local failure  -- the first such error, such as NOGROUP

local function now()  -- milliseconds
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Rows of the pending list: id, owner, idle milliseconds, delivery count.
local function pending(stream, group, from, to, count, ...)
    local rows = redis.pcall('XPENDING', stream, group, from, to, count, ...)
    if rows.err then
        failure = failure or rows
        return {}
    end
    return rows
end

-- The delivery count of an entry if it is pending with that owner.
local function count_of(stream, group, id, owner)
    local row = pending(stream, group, id, id, 1, owner)[1]
    return row and row[4]
end

-- Deletes an entry that was addressed to one group, and the stream with the last one.
local function delete(stream, id)
    redis.call('XDEL', stream, id)
    if redis.call('XLEN', stream) == 0 then
        redis.call('DEL', stream)
    end
end
