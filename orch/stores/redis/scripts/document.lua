-- KEYS: documents of a kind. ARGV: name, new revision, token, expiry, body, milliseconds to store them all
-- Returns 1, or 0 if the new revision is not the next one; the same again for the same token.
local revision = 0
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if kept then
  local found, token = string.match(kept, '^(%d+) (%S+) ')
  if token == ARGV[3] then
    return 1
  end
  revision = tonumber(found) or 0
end
if revision + 1 ~= tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
