-- A recording is over. Whoever speaks for a dead owner may do so only while the recording is that owner's and open.

local voicemail_key = key('voicemail', args.id)
if redis.call('HEXISTS', voicemail_key, 'body') == 0 then return 0 end
if args.of_dead ~= '' and redis.call('HGET', key('recordings'), args.id) ~= args.of_dead then return 0 end
redis.call('HSET', voicemail_key, 'body', args.body)
redis.call('HDEL', key('recordings'), args.id)
write_notices(args.notices)
return 1
