-- KEYS: session. ARGV: speak key, read key
-- Gives a session from before there were keys its keys, unless another worker has. Returns 1, or 0 where there
-- is no session.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local read = redis.call('HGET', KEYS[1], 'read')
if not read or read == '' then
  redis.call('HSET', KEYS[1], 'speak', ARGV[1], 'read', ARGV[2])
end
return 1
