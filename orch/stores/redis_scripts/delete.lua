-- KEYS: session, history, participants, mark. ARGV: token, channel, what workers are told with the epoch
-- Returns 1, or 0 where there is no session; asked again with the same token, the same again.
if redis.call('GET', KEYS[4]) == ARGV[1] then
  return 1
end
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  return 0
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
redis.call('SET', KEYS[4], ARGV[1], 'PX', 60000)
redis.call(redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH', ARGV[2], ARGV[3] .. epoch)
return 1
