-- What came of a delivery, unless somebody else has claimed the notice since, or it is gone.

local stored, endpoint_key = notice_key(args.endpoint, args.id), key('endpoint', args.endpoint)
local newest = redis.call('HGET', stored, 'token')
if not newest or newest == '' or newest ~= args.token then return 0 end
local clock = clock_at(args.now)
keep_clock(clock)

if args.delivered then
  take_out_of_line(args.endpoint, args.id, clock)
  redis.call('DEL', stored)
  redis.call('HINCRBY', endpoint_key, 'delivered', '1')
  redis.call('HSET', endpoint_key, 'delivered_at', text(clock), 'failures', '0')
  redis.call('HDEL', endpoint_key, 'failing_since')
  return 1
end

redis.call('HINCRBY', endpoint_key, 'failures', '1')
redis.call('HSETNX', endpoint_key, 'failing_since', text(clock))
redis.call('HSET', endpoint_key, 'error', args.error, 'error_at', text(clock))
if args.pause_s > 0 then redis.call('HSET', endpoint_key, 'paused_until', text(clock + args.pause_s)) end
if args.disable ~= '' then redis.call('HSET', endpoint_key, 'disabled', args.disable, 'disabled_at', text(clock)) end
if args.retry_in_s then
  redis.call('HSET', stored, 'token', '')
  redis.call('ZADD', key('lines', args.endpoint), text(clock + args.retry_in_s), redis.call('HGET', stored, 'about'))
else
  bury_notice(args.endpoint, args.id, args.error, clock, args.dead_kept)
end
return 1
