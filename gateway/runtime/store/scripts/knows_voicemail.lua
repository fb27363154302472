-- Whether a voicemail is there, or has been deleted not long ago; only looks.

local stored = redis.call('HMGET', key('voicemail', args.id), 'body', 'gone_until')
if stored[1] or (stored[2] and tonumber(stored[2]) > clock_at(args.now)) then return 1 end
return 0
