-- Forget a voicemail, and remember for a while that it was there. The stored time decides; the server's own expiry only
-- collects the garbage. Who records it has it in hand; of one that nobody records, the hand is empty.

local voicemail_key = key('voicemail', args.id)
local position = redis.call('HGET', voicemail_key, 'position')
if not position or (redis.call('HGET', key('recordings'), args.id) or '') ~= args.owner then return 0 end
local clock = clock_at(args.now)
keep_clock(clock)
redis.call('ZREM', key('voicemails'), position)
redis.call('DEL', voicemail_key)
redis.call('HDEL', key('recordings'), args.id)
redis.call('HSET', voicemail_key, 'gone_until', text(clock + args.for_s))
redis.call('PEXPIRE', voicemail_key, string.format('%.0f', args.for_s * 1000 + 86400000))
write_notices(args.notices)
return 1
