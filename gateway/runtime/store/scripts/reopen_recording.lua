-- A recording goes on in other hands, if nobody has touched its record since it was read.

local voicemail_key = key('voicemail', args.id)
if redis.call('HGET', voicemail_key, 'body') ~= args.over then return 0 end
redis.call('HSET', voicemail_key, 'body', args.body)
redis.call('HSET', key('recordings'), args.id, args.owner)
return 1
