-- A leg's media counters, as long as its call is kept.

if redis.call('EXISTS', key('call', args.call_id)) == 0 then return 0 end
redis.call('HSET', key('media', args.call_id), args.leg_id, args.body)
return 1
