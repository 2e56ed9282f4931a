-- KEYS: session. ARGV: the known config, the new one
-- Replaces a session's config, if it is the known one. Returns 1, or 0; the same again if it is repeated.
local config = redis.call('HGET', KEYS[1], 'config')
if config ~= ARGV[1] and config ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], 'config', ARGV[2])
return 1
