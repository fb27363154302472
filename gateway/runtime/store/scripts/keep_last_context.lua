-- What a call's agent knew at its end, kept with the call.

local call_key = key('call', args.call_id)
if redis.call('EXISTS', call_key) == 0 then return 0 end
redis.call('HSET', call_key, 'last_context', args.context)
return 1
