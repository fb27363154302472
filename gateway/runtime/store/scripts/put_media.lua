-- A leg's media counters, as long as its call is kept; refused if the session has another lease by now.

if args.lease and tonumber(leased_as(args.call_id)) ~= args.lease then return 0 end
if redis.call('EXISTS', key('call', args.call_id)) == 1 then
  redis.call('HSET', key('media', args.call_id), args.leg_id, args.body)
end
return 1
