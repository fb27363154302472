-- Keep a voicemail, unless it is known, or was and has been deleted not long ago.

local clock = clock_at(args.now)
local voicemail_key = key('voicemail', args.id)
local stored = redis.call('HMGET', voicemail_key, 'body', 'gone_until')
if stored[1] or (stored[2] and tonumber(stored[2]) > clock) then return 0 end
keep_clock(clock)
redis.call('DEL', voicemail_key)
redis.call('HSET', voicemail_key, 'body', args.body, 'position', args.position)
redis.call('ZADD', key('voicemails'), '0', args.position)
write_notices(args.notices)
return 1
