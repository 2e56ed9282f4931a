-- KEYS: participants. ARGV: participant, record, …
-- Writes down of participants who may return that they were seen; one who has left is not brought back.
for index = 1, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[1], ARGV[index]) == 1 then
    redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1])
  end
end
return 1
