-- Keep a session's context, where there is one to keep, and give its lease up, if that is wanted; unless the token is stale.

local lease_key = key('lease', args.call_id)
if tonumber(leased_as(args.call_id)) ~= args.token then return 0 end
if args.context and not redis.call('ZSCORE', key('ended'), args.call_id) then
  redis.call('HSET', lease_key, 'context', args.context)
end
if args.give_up then
  redis.call('SREM', key('leased', redis.call('HGET', lease_key, 'owner')), args.call_id)
  redis.call('HSET', lease_key, 'owner', '', 'address', '')
end
return 1
