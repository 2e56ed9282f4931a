-- KEYS: session, history, participants, index, shares
-- ARGV: now, the limits: seconds, then messages and bytes of each kind; milliseconds to live after the last use
-- Returns the number of messages dropped, and of participants who may return.
local book = open_book(KEYS[1], KEYS[2], KEYS[4], KEYS[5])
local offset = tonumber(book.offset)
if not offset then
  return {0, 0}
end
follow(book, offset, offset, {})
local budgets = {}
for place = 3, 8 do
  budgets[place - 2] = tonumber(ARGV[place])
end
age(book, tonumber(ARGV[2]), (clock(ARGV[1])), math.huge)
spill(book, budgets, math.huge)
if book.dropped > 0 or book.is_remade then
  close_book(book, offset, book.active or ARGV[1])
end
-- The setting may be longer than when the session was last used. A minute less is no difference.
local wanted = tonumber(ARGV[9]) - 1000 * math.max(0, (clock(ARGV[1])) - (tonumber(book.active) or 0))
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left + 60000 < wanted then
  for place = 1, #KEYS do
    redis.call('PEXPIRE', KEYS[place], string.format('%.0f', wanted))
  end
end
return {book.dropped, redis.call('HLEN', KEYS[3])}
