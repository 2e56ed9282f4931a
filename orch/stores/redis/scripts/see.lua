-- KEYS: participants. ARGV: participant, record, …
-- Records that participants who may return are present; participants who have left are not added again.
for index = 1, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[1], ARGV[index]) == 1 then
    redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1])
  end
end
return 1
