-- KEYS: session, history, participants, index, shares. ARGV: epoch, an offset assigned in it
-- A server that has lost acknowledged messages must not assign their offsets again. The remaining history would
-- have a hole, so it is dropped. Returns the session's offset, or -1 if the epoch is another.
local session = redis.call('HMGET', KEYS[1], 'epoch', 'offset')
if session[1] ~= ARGV[1] then
  return -1
end
if tonumber(session[2]) >= tonumber(ARGV[2]) then
  return tonumber(session[2])
end
redis.call('HSET', KEYS[1], 'offset', ARGV[2], 'first', string.format('%.0f', tonumber(ARGV[2]) + 1), 'bytes', '0',
  'book', string.format('0 0 0 0 0 0 %s %s %s', ARGV[2], ARGV[2], ARGV[2]))
redis.call('UNLINK', KEYS[2], KEYS[4], KEYS[5])
return tonumber(ARGV[2])
