-- Appends entries in order, and stops at the first that is refused: what follows must not overtake it.
-- KEYS: the stream. ARGV: for each entry its payload, its event id, and the number of further fields and values,
-- which follow. Returns how many were appended, and the reason if not all of them were.
local at, appended = 1, 0
while at <= #ARGV do
  local fields = {'payload', ARGV[at], 'event_id', ARGV[at + 1]}
  local last = at + 2 + tonumber(ARGV[at + 2])
  for further = at + 3, last do
    fields[#fields + 1] = ARGV[further]
  end
  local reply = redis.pcall('XADD', KEYS[1], '*', unpack(fields))
  if type(reply) == 'table' and reply.err then
    return {appended, reply.err}
  end
  at = last + 1
  appended = appended + 1
end
return {appended}
