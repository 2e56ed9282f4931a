-- Gives messages their offsets, keeps them and tells every worker: one step that nothing comes between.
-- KEYS: session, history, participants, mark
-- ARGV: batch, place in it, channel, milliseconds to live, the limits' messages, seconds, bytes, now, the epoch
-- and newest offset that the writer knows of, then header, body, …
-- Returns the first message's offset, or -1 where there is no session. A writer that was not answered says the
-- whole batch again: the mark has what was kept of it, place by place, and that is not kept twice.
local mark = redis.call('GET', KEYS[4])
if mark and string.match(mark, '^%S+') == ARGV[1] then
  local first = string.match(mark, ' ' .. ARGV[2] .. '=(%d+)')
  if first then
    return tonumber(first)
  end
else
  mark = ARGV[1]
end
local session = redis.call('HMGET', KEYS[1], 'offset', 'first', 'bytes', 'active', 'epoch')
if not session[1] then
  return -1
end
local publish = redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH'
local before, kept_first, size = tonumber(session[1]), tonumber(session[2]), tonumber(session[3])
if session[5] == ARGV[9] and before < tonumber(ARGV[10]) then
  -- The server came back with less than it had answered. What was given is not given again (see raise.lua).
  before = tonumber(ARGV[10])
  redis.call('UNLINK', KEYS[2])
end
if redis.call('XLEN', KEYS[2]) == 0 then
  -- Nothing is kept; a full server may have dropped it.
  kept_first, size = before + 1, 0
end
local offset, news = before, {}
for index = 11, #ARGV, 2 do
  offset = offset + 1
  local number = string.format('%d', offset)
  local frame = string.sub(ARGV[index + 1], 1, -2) .. ',"offset":' .. number .. '}'
  redis.call('XADD', KEYS[2], number .. '-0', 'h', ARGV[index], 'f', frame)
  news[#news + 1] = 'A' .. number .. '\n' .. ARGV[index] .. '\n' .. frame
  size = size + #frame
end
local most, bytes, now = tonumber(ARGV[5]), tonumber(ARGV[7]), tonumber(ARGV[8])
local count = offset - kept_first + 1
if count > most or size > bytes or math.floor(offset / 32) > math.floor(before / 32) then
  count, size = trim(KEYS[2], count, size, most, tonumber(ARGV[6]), bytes, now)
end
local active = now > tonumber(session[4]) and ARGV[8] or session[4]
redis.call('HSET', KEYS[1], 'offset', string.format('%d', offset), 'active', active,
  'first', string.format('%d', offset - count + 1), 'bytes', string.format('%d', size))
for index = 1, 3 do
  redis.call('PEXPIRE', KEYS[index], ARGV[4])
end
redis.call('SET', KEYS[4], mark .. ' ' .. ARGV[2] .. string.format('=%d', before + 1), 'PX', 600000)
-- Last, since what is refused here must not leave the rest half done.
for _, each in ipairs(news) do
  redis.call(publish, ARGV[3], each)
end
return before + 1
