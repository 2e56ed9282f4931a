-- KEYS: session, history, participants, mark. ARGV: token, channel, what workers are told
-- Returns 1, or 0 where there is no session; asked again with the same token, the same again.
if redis.call('GET', KEYS[4]) == ARGV[1] then
  return 1
end
if redis.call('UNLINK', KEYS[1]) == 0 then
  return 0
end
redis.call('UNLINK', KEYS[2], KEYS[3])
redis.call('SET', KEYS[4], ARGV[1], 'PX', 60000)
redis.call(redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH', ARGV[2], ARGV[3])
return 1
