-- Drops what is over a session's limits, from the front, by the rule of orch.websocket.history.surplus; returns
-- what is left: messages, bytes, and how many went. Put in front of the scripts that use it.
local function trim(history, count, size, most, seconds, bytes, now)
  local cutoff = now - seconds
  local dropped, step = 0, 8
  while count > 0 do
    local oldest = redis.call('XRANGE', history, '-', '+', 'COUNT', step)
    local gone, left, kept = 0, size, size
    for index, entry in ipairs(oldest) do
      -- An entry that is none of ours goes as one that is too old.
      local at = tonumber(string.match(entry[2][2] or '', '^%[([^,%]]+)') or '') or -math.huge
      if at < cutoff or count - index + 1 > most or left > bytes then
        gone = index
      end
      left = left - #(entry[2][4] or '')
      if gone == index then
        kept = left
      end
    end
    if gone > 0 then
      local last = tonumber(string.match(oldest[gone][1], '^%d+'))
      redis.call('XTRIM', history, 'MINID', '=', string.format('%.0f-0', last + 1))
      count, size, dropped = count - gone, kept, dropped + gone
    end
    if gone < #oldest or #oldest == 0 then
      break
    end
    step = math.min(step * 2, 256)
  end
  return count, size, dropped
end
