-- KEYS: session. ARGV: known moderation, new moderation[, speak key, read key]
-- Returns 1, or 0 if the session does not exist or its moderation is not the known one; the same again for a
-- repeated call.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local stored = redis.call('HGET', KEYS[1], 'moderation') or ''
if stored == ARGV[2] then
  return 1
end
if stored ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'moderation', ARGV[2])
if ARGV[3] then
  redis.call('HSET', KEYS[1], 'speak', ARGV[3], 'read', ARGV[4])
end
return 1
