-- KEYS: session, history, participants, index, shares
-- Returns the newest dropped offsets: of captions, and of everything else; or nothing if the session does not
-- exist. Inconsistent data counts as dropped. Changes nothing.
local book = open_book(KEYS[1], KEYS[2], KEYS[4], KEYS[5])
local offset = tonumber(book.offset)
if not offset then
  return {}
end
local length = redis.call('XLEN', KEYS[2])
if not book.indexed then
  -- A former version wrote it: one run without holes.
  local first = book.first or 1
  local gone = length == offset - first + 1 and first - 1 or offset
  return {gone, gone}
end
-- A worker of an older version may have added some since.
if book.indexed <= offset and length == count_of(book) + offset - book.indexed then
  return {book.gone, book.gone_others}
end
return {offset, offset}
