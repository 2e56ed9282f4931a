-- KEYS: session, history, participants, index, shares
-- Returns the newest offsets that were dropped: of captions, and of anything else; or nothing where there is no
-- session. What is not as it should be is taken for dropped. Nothing is changed.
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
-- A worker of the former version may have added some since.
if book.indexed <= offset and length == count_of(book) + offset - book.indexed then
  return {book.gone, book.gone_others}
end
return {offset, offset}
