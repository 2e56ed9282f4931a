-- KEYS: the guesses of the current window. ARGV: a guess, how many at most, milliseconds of the window
-- Counts a guess, the same one once. Returns 1, or 0 if the limit is reached; idempotent.
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then
  return 1
end
local count = redis.call('SCARD', KEYS[1])
if count >= tonumber(ARGV[2]) then
  return 0
end
redis.call('SADD', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
