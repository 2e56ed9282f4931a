-- KEYS: session, history, participants, index, shares, mark
-- ARGV: token, channel, the message to publish with the epoch, only if last active before this time
-- Returns 1, or 0 if the session does not exist; the same again for the same token.
if redis.call('GET', KEYS[6]) == ARGV[1] then
  return 1
end
local session = redis.call('HMGET', KEYS[1], 'epoch', 'active')
if not session[1] or (ARGV[4] ~= 'inf' and (tonumber(session[2]) or 0) >= tonumber(ARGV[4])) then
  return 0
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('SET', KEYS[6], ARGV[1], 'PX', 30000)
redis.call(redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH', ARGV[2], ARGV[3] .. session[1])
return 1
