-- KEYS: session, history, participants, index, shares
-- ARGV: token, milliseconds to live, epoch, offset, kept_first, config, created, last_active, speak key,
-- read key, terms, their revision, pipeline, its revision[, participant, record]
-- Returns 1, or 0 if the name is taken; the same again for the same token.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return redis.call('HGET', KEYS[1], 'token') == ARGV[1] and 1 or 0
end
-- A full server may have evicted only the session's own key: delete leftovers of its other keys.
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'epoch', ARGV[3], 'offset', ARGV[4], 'first', ARGV[5],
  'config', ARGV[6], 'created', ARGV[7], 'active', ARGV[8], 'bytes', '0', 'speak', ARGV[9], 'read', ARGV[10],
  'terms', ARGV[11], 'terms_revision', ARGV[12], 'pipeline', ARGV[13], 'pipeline_revision', ARGV[14],
  'book', string.format('0 0 0 0 0 0 %d %d %s', tonumber(ARGV[5]) - 1, tonumber(ARGV[5]) - 1, ARGV[4]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if ARGV[15] then
  redis.call('HSET', KEYS[3], ARGV[15], ARGV[16])
  redis.call('PEXPIRE', KEYS[3], ARGV[2])
end
return 1
