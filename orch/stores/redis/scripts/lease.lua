-- KEYS: lease, the last fence. ARGV: holder, milliseconds, milliseconds that the fence is stored
-- Acquires or renews a lease. Returns the holder's fence, or 0 if another worker holds it; idempotent.
-- A fence is never lower than the time, so that it increases even if the last one was lost.
local holder, last = redis.call('GET', KEYS[1]), tonumber(redis.call('GET', KEYS[2]))
if holder and holder ~= ARGV[1] then
  return 0
end
local fence = last
if not holder or not last then
  local time = redis.call('TIME')
  fence = math.max((last or 0) + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
  redis.call('SET', KEYS[2], string.format('%.0f', fence))
end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
if holder then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return fence
