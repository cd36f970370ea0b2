-- KEYS: stream, retry, lost, errors. ARGV: group, start, '1' if what waited is to wait again.
-- Makes a group that is not there. Returns 1, or 0 if it is there.
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM')
if made.err then
    return string.find(made.err, 'BUSYGROUP') and 0 or made
end
if ARGV[3] == '1' then
    redis.call('ZUNIONSTORE', KEYS[3], 2, KEYS[2], KEYS[3])
else
    redis.call('DEL', KEYS[4])
end
redis.call('DEL', KEYS[2])
return 1
