-- KEYS: session (for its slot in a cluster). ARGV: channel, message. Publishes without storing.
return redis.call(redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH', ARGV[1], ARGV[2])
