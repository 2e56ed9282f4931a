-- KEYS: session. ARGV: the pipeline, as JSON
-- Stores what a session's speech passes through. Returns its revision, or 0 if the session does not exist.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'pipeline', ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'pipeline_revision', 1)
