-- KEYS: lease. ARGV: holder. Releases a lease if the holder has it; returns whether it had.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
