-- KEYS: settings. ARGV: expected revision, new revision, token, values
-- Returns 1, or 0 if the revision is another; the same again for the same token.
local kept = redis.call('HMGET', KEYS[1], 'revision', 'token')
if kept[2] == ARGV[3] then
  return 1
end
if (kept[1] or '0') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'token', ARGV[3], 'values', ARGV[4])
return 1
