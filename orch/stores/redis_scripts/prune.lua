-- KEYS: session, history, participants. ARGV: the limits' messages, seconds, bytes, now
-- Returns how many messages went, and how many participants may return.
local session = redis.call('HMGET', KEYS[1], 'offset', 'first', 'bytes')
if not session[1] then
  return {0, 0}
end
local offset = tonumber(session[1])
local count, size, dropped = trim(KEYS[2], offset - tonumber(session[2]) + 1, tonumber(session[3]),
  tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), (clock(ARGV[4])))
if dropped > 0 then
  redis.call('HSET', KEYS[1], 'first', string.format('%.0f', offset - count + 1),
    'bytes', string.format('%d', size))
end
return {dropped, redis.call('HLEN', KEYS[3])}
