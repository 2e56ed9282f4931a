-- KEYS: session, history, participants, index, shares
-- ARGV: offsets of messages to drop on purpose, which is no loss
-- Returns how many of them there were.
local book = open_book(KEYS[1], KEYS[2], KEYS[4], KEYS[5])
local offset = tonumber(book.offset)
if not offset then
  return 0
end
follow(book, offset, offset, {})
for _, each in ipairs(ARGV) do
  local entry = redis.call('XRANGE', KEYS[2], each .. '-0', each .. '-0')[1]
  if entry and #entry[2] == 4 then
    local kind, sender = share_of(entry[2][2], entry[2][4])
    drop(book, kind, sender, {member(kind, sender, tonumber(each), #entry[2][4])}, false)
  end
end
if book.dropped > 0 or book.is_remade then
  close_book(book, offset, book.active or '0')
end
return book.dropped
