-- How an endpoint stands; only looks. Reply: backlog, dead, body of the oldest of the backlog or '', then names and values.

local reply = { redis.call('ZCARD', key('backlog', args.endpoint)), redis.call('ZCARD', key('dead', args.endpoint)), '' }
local oldest = redis.call('ZRANGE', key('backlog', args.endpoint), '0', '0')[1]
if oldest then reply[3] = redis.call('HGET', notice_key(args.endpoint, oldest), 'body') end
for _, part in ipairs(redis.call('HGETALL', key('endpoint', args.endpoint))) do reply[#reply + 1] = part end
return reply
