-- KEYS: session. ARGV: speak key, read key
-- Sets the keys of a session of an older version, unless another worker has. Returns 1, or 0 if the session does
-- not exist.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local read = redis.call('HGET', KEYS[1], 'read')
if not read or read == '' then
  redis.call('HSET', KEYS[1], 'speak', ARGV[1], 'read', ARGV[2])
end
return 1
