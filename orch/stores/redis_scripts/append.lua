-- Gives messages their offsets, keeps them and tells every worker: one step that nothing comes between.
-- KEYS: session, history, participants, mark
-- ARGV: batch, place in it, channel, milliseconds to live, the limits' messages, seconds, bytes, now, the epoch
-- and newest offset that this server has given, as the writer knows, then header, body, …
-- Returns the first message's offset, or -1 where there is no session. A writer that was not answered says the
-- whole batch again: the mark has what was kept of it, place by place, and that is not kept twice.
-- An error undoes nothing. So what is stored is read and checked first, then what is new is added, and only
-- then is anything dropped.
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
local before = tonumber(session[1])
if not before or before < 0 or before > 9007199254740000 or before ~= math.floor(before) then
  return redis.error_reply('ERR the offset of the stored session is no number')
end
local kept_first, size = tonumber(session[2]) or before + 1, tonumber(session[3]) or 0
local known = tonumber(ARGV[10])
local came_back_with_less = session[5] == ARGV[9] and before < known
if came_back_with_less then
  -- The server came back with less than it had answered. What was given is not given again (see raise.lua).
  before = known
end
if redis.call('XLEN', KEYS[2]) == 0 then
  -- Nothing is kept; a full server may have dropped it.
  kept_first, size = before + 1, 0
end
local function add(call, offset, header, body)
  local number = string.format('%.0f', offset)
  local frame = string.sub(body, 1, -2) .. ',"offset":' .. number .. '}'
  return call('XADD', KEYS[2], number .. '-0', 'h', header, 'f', frame), frame
end
local added, frame = add(redis.pcall, before + 1, ARGV[11], ARGV[12])
if type(added) == 'table' and added.err and not string.find(added.err, 'equal or smaller', 1, true) then
  add(redis.call, before + 1, ARGV[11], ARGV[12]) -- raises the same error
elseif type(added) == 'table' and added.err then
  -- The history may be ahead of the session. What it has there was given.
  local stream = redis.call('XINFO', 'STREAM', KEYS[2])
  local last = 0
  for index = 1, #stream, 2 do
    if stream[index] == 'last-generated-id' then
      last = tonumber(string.match(stream[index + 1], '^%d+'))
    end
  end
  if last <= before or last > 9007199254740000 then
    return redis.error_reply('ERR the stored history ends at an offset that was never given')
  end
  before = last
  added, frame = add(redis.call, before + 1, ARGV[11], ARGV[12])
end
local offset, news, fresh = before, {}, 0
for index = 11, #ARGV, 2 do
  offset = offset + 1
  if index > 11 then
    added, frame = add(redis.call, offset, ARGV[index], ARGV[index + 1])
  end
  news[#news + 1] = 'A' .. string.format('%.0f', offset) .. '\n' .. ARGV[index] .. '\n' .. frame
  fresh = fresh + #frame
end
size = size + fresh
if came_back_with_less then
  -- What is left of the history would have a hole.
  redis.call('XTRIM', KEYS[2], 'MINID', '=', string.format('%.0f-0', before + 1))
  kept_first, size = before + 1, fresh
end
local most, bytes = tonumber(ARGV[5]), tonumber(ARGV[7])
local now, now_text = clock(ARGV[8])
local count = offset - kept_first + 1
if count > most or size > bytes or math.floor(offset / 32) > math.floor(before / 32) then
  count, size = trim(KEYS[2], count, size, most, tonumber(ARGV[6]), bytes, now)
end
local active = now > (tonumber(session[4]) or 0) and now_text or session[4] or now_text
redis.call('HSET', KEYS[1], 'offset', string.format('%.0f', offset), 'active', active,
  'first', string.format('%.0f', offset - count + 1), 'bytes', string.format('%d', size))
for index = 1, 3 do
  redis.call('PEXPIRE', KEYS[index], ARGV[4])
end
redis.call('SET', KEYS[4], mark .. ' ' .. ARGV[2] .. string.format('=%.0f', before + 1), 'PX', 30000)
-- Last, since what is refused here must not leave the rest half done.
for _, each in ipairs(news) do
  redis.call(publish, ARGV[3], each)
end
return before + 1
