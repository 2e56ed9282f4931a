-- KEYS: session. ARGV: epoch
-- Gives a session a new epoch: earlier offsets may be assigned again from now on.
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
  return 1
end
return 0
