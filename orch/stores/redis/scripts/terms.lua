-- KEYS: session. ARGV: the terms, as JSON
-- Stores the names and terms of a session. Returns their revision, or 0 if the session does not exist.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'terms', ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'terms_revision', 1)
