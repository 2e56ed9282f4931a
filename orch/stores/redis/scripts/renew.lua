-- KEYS: session. ARGV: epoch
-- Gives a session another epoch: offsets that were given before may be given again from here on.
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
  return 1
end
return 0
