-- Take a session's lease from whoever has it under the token `over`. Reply: the new token, or nothing.

if redis.call('EXISTS', key('call', args.call_id)) == 0 then return nil end
local lease_key = key('lease', args.call_id)
if tonumber(leased_as(args.call_id)) ~= args.over then return nil end
local before = redis.call('HGET', lease_key, 'owner')
if before and before ~= '' then redis.call('SREM', key('leased', before), args.call_id) end
redis.call('HSET', lease_key, 'owner', args.owner, 'address', args.address, 'token', text(args.over + 1))
if not redis.call('ZSCORE', key('ended'), args.call_id) then redis.call('SADD', key('leased', args.owner), args.call_id) end
return args.over + 1
