-- KEYS: session (for its place in a cluster). ARGV: channel, what workers are told. Nothing of it is kept.
return redis.call(redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH', ARGV[1], ARGV[2])
