-- How the version before shares appended a message (its append.lua, without what mends faults), for the tests of
-- what it has stored. KEYS: session, history. ARGV: header, body
local offset = tonumber(redis.call('HGET', KEYS[1], 'offset')) + 1
local number = string.format('%.0f', offset)
local frame = string.sub(ARGV[2], 1, -2) .. ',"offset":' .. number .. '}'
redis.call('XADD', KEYS[2], number .. '-0', 'h', ARGV[1], 'f', frame)
local size = tonumber(redis.call('HGET', KEYS[1], 'bytes')) + #frame
redis.call('HSET', KEYS[1], 'offset', number, 'bytes', string.format('%d', size))
return offset
