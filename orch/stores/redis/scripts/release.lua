-- KEYS: lease. ARGV: holder. Gives a lease back if it is the holder's; returns whether it was.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
