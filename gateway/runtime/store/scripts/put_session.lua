-- Keep a console session. The stored time decides what is expired; the server's own expiry only collects the garbage.

local clock = clock_at(args.now)
local session_key = key('session', args.id)
keep_clock(clock)
redis.call('HSET', session_key, 'body', args.body, 'expires_at', text(args.expires_at))
redis.call('PEXPIRE', session_key, string.format('%.0f', math.max(args.expires_at - clock, 0) * 1000 + 86400000))
return 1
