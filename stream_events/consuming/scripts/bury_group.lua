-- KEYS: cursor.
-- Says that an operator has deleted the group: its consumers end, and do not make it again.
redis.call('DEL', KEYS[1])  -- after it, SET is not refused at maxmemory
redis.call('SET', KEYS[1], 'deleted')
return 1
