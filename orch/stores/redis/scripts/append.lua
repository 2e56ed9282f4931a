-- Assigns offsets to messages, stores and publishes them, atomically.
-- KEYS: session, history, participants, index, shares, mark
-- ARGV: batch, place in it, channel, milliseconds to live, now, the epoch and newest offset that this server has
-- assigned, as the writer knows, the limits: seconds, then messages and bytes of each kind, then header, body, …
-- Returns the first message's offset, or -1 if the session does not exist. A writer without a reply sends the
-- whole batch again: the mark records what was stored of it, place by place, so that nothing is stored twice.
-- Redis undoes nothing after an error. So stored data is read and checked first, then new data is added, and
-- only then is anything dropped.
local FIRST = 15
local mark = redis.call('GET', KEYS[6])
if mark and string.match(mark, '^%S+') == ARGV[1] then
  local first = string.match(mark, ' ' .. ARGV[2] .. '=(%d+)')
  if first then
    return tonumber(first)
  end
else
  mark = ARGV[1]
end
local book = open_book(KEYS[1], KEYS[2], KEYS[4], KEYS[5])
if not book.offset then
  return -1
end
local publish = redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH'
local before = tonumber(book.offset)
if not before or before < 0 or before > 9007199254740000 or before ~= math.floor(before) then
  return redis.error_reply('ERR the offset of the stored session is no number')
end
local known = tonumber(ARGV[7])
local came_back_with_less = book.epoch == ARGV[6] and before < known
if came_back_with_less then
  -- The server came back with less than it had answered. What was given is not given again (see raise.lua).
  before = known
end
local function add(call, offset, header, body)
  local number = string.format('%.0f', offset)
  local frame = string.sub(body, 1, -2) .. ',"offset":' .. number .. '}'
  return call('XADD', KEYS[2], number .. '-0', 'h', header, 'f', frame), frame
end
local added, frame = add(redis.pcall, before + 1, ARGV[FIRST], ARGV[FIRST + 1])
if type(added) == 'table' and added.err and not string.find(added.err, 'equal or smaller', 1, true) then
  add(redis.call, before + 1, ARGV[FIRST], ARGV[FIRST + 1]) -- raises the same error
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
  added, frame = add(redis.call, before + 1, ARGV[FIRST], ARGV[FIRST + 1])
end
local offset, news, fresh, named = before, {}, {}, {}
for place = FIRST, #ARGV, 2 do
  offset = offset + 1
  if place > FIRST then
    added, frame = add(redis.call, offset, ARGV[place], ARGV[place + 1])
  end
  news[#news + 1] = 'A' .. whole(offset) .. '\n' .. ARGV[place] .. '\n' .. frame
  local kind, sender = share_of(ARGV[place], frame)
  fresh[#fresh + 1] = {offset, #frame, kind, sender}
  if kind == 2 then
    named[sender] = true
  end
end
if came_back_with_less then
  -- What is left of the history would have a hole.
  redis.call('XTRIM', KEYS[2], 'MINID', '=', whole(before + 1) .. '-0')
end
follow(book, before, offset, fresh)
local now, now_text = clock(ARGV[5])
local budgets = {}
for place = 9, 14 do
  budgets[place - 8] = tonumber(ARGV[place])
end
supersede(book, named)
-- A limited number at once: the server does nothing else meanwhile. The rest is dropped by the next calls.
spill(book, budgets, 2048)
local is_aged = math.floor(offset / 32) > math.floor(before / 32)
if is_aged then
  age(book, tonumber(ARGV[8]), now, 4096)
end
close_book(book, offset, now > (tonumber(book.active) or 0) and now_text or book.active or now_text)
-- The expiry of the index and the shares is renewed with the age, and by touch.lua.
local is_renewed = is_aged or book.is_remade or count_of(book) <= #fresh
for place = 1, is_renewed and 5 or 3 do
  redis.call('PEXPIRE', KEYS[place], ARGV[4])
end
redis.call('SET', KEYS[6], mark .. ' ' .. ARGV[2] .. string.format('=%.0f', before + 1), 'PX', 30000)
-- Last, since a refusal here must not leave the rest half done.
for _, each in ipairs(news) do
  redis.call(publish, ARGV[3], each)
end
return before + 1
