-- KEYS: token buckets. ARGV: for each, the microseconds that a token takes to come, and those until it is full
-- Takes a token of each, or of none if one of them has none. Returns in how many microseconds each is full,
-- before that. A bucket is the time at which it is full, by the server's clock, and expires then.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local before, has_all = {}, true
for index, key in ipairs(KEYS) do
  local level = (tonumber(redis.call('GET', key) or '0') or 0) - now
  if level < 0 then
    level = 0
  end
  before[index] = math.floor(level)
  if level + ARGV[2 * index - 1] > ARGV[2 * index] + 1 then
    has_all = false
  end
end
if has_all then
  for index, key in ipairs(KEYS) do
    local after = before[index] + ARGV[2 * index - 1]
    redis.call('SET', key, string.format('%.0f', now + after), 'PX', math.ceil(after / 1000))
  end
end
return before
