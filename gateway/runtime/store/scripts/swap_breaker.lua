-- Compare-and-set of a carrier's breaker on its version. `body` carries version + 1 already.

local breaker_key = key('breaker', args.carrier)
if tonumber(redis.call('HGET', breaker_key, 'version') or '0') ~= args.expected then return 0 end
redis.call('HSET', breaker_key, 'version', text(args.expected + 1), 'epoch', text(args.epoch), 'body', args.body)
write_notices(args.notices)
return 1
