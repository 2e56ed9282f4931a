-- KEYS: session, history, participants, index, shares. ARGV: milliseconds to live, at[, participant, record]
-- Marks a session as in use, and stores a participant. Returns 1, or 0 if the session does not exist.
local active = redis.call('HGET', KEYS[1], 'active')
if not active then
  return 0
end
local at, at_text = clock(ARGV[2])
if at > (tonumber(active) or 0) then
  redis.call('HSET', KEYS[1], 'active', at_text)
end
if ARGV[3] then
  redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
end
for index = 1, #KEYS do
  redis.call('PEXPIRE', KEYS[index], ARGV[1])
end
return 1
