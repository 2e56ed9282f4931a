-- Returns a worker's time as a number and as text, but never later than this server's: a worker whose clock is
-- ahead must not make other workers expire sessions. Prepended to the scripts that use it.
local function clock(text)
  local time, given = redis.call('TIME'), tonumber(text)
  local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
  if given > now then
    return now, string.format('%.6f', now)
  end
  return given, text
end
