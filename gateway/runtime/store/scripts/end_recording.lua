-- A recording is over. Only whoever has it in hand may say so; what has just been said may be said again, and changes nothing.

local voicemail_key = key('voicemail', args.id)
local holder = redis.call('HGET', key('recordings'), args.id)
if holder ~= args.owner then
  return not holder and redis.call('HGET', voicemail_key, 'body') == args.body and 1 or 0
end
if redis.call('HEXISTS', voicemail_key, 'body') == 0 then return 0 end
redis.call('HSET', voicemail_key, 'body', args.body)
redis.call('HDEL', key('recordings'), args.id)
write_notices(args.notices)
return 1
