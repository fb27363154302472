-- A process is no more.

local clock = clock_at(args.now)
keep_clock(clock)
redis.call('ZREM', key('processes'), args.id)
redis.call('HDEL', key('process'), args.id)
free_commands(args.id, clock)
return 1
