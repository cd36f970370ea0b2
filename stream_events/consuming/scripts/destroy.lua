-- KEYS: stream, retry. ARGV: group.
-- Destroys the group.
redis.call('DEL', KEYS[2])  -- after it, XGROUP is not refused at maxmemory
return redis.pcall('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
