-- KEYS: history. ARGV: the first and the last id, bytes
-- Returns the oldest entries between two ids, like XRANGE: as many as fit into this many bytes of frames, at
-- least one.
local found, left, first = {}, tonumber(ARGV[3]), ARGV[1]
while true do
  local entries = redis.call('XRANGE', KEYS[1], first, ARGV[2], 'COUNT', 64)
  for _, entry in ipairs(entries) do
    left = left - #(entry[2][4] or '')
    if left < 0 and #found > 0 then
      return found
    end
    found[#found + 1] = entry
  end
  if #entries < 64 then
    return found
  end
  local offset, rest = string.match(entries[#entries][1], '^(%d+)-(%d+)$')
  first = offset .. '-' .. string.format('%.0f', tonumber(rest) + 1)
end
