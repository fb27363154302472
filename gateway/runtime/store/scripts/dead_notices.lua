-- Dead letters before the place `before`, the newest first. Reply: place, attempts, why, dead_at, body, place...

local before = args.before and ('(' .. args.before) or '+inf'
local found = redis.call('ZREVRANGEBYSCORE', key('dead', args.endpoint), before, '-inf', 'WITHSCORES', 'LIMIT', '0', args.limit)
local reply = {}
for at = 1, #found, 2 do
  reply[#reply + 1] = found[at + 1]
  local stored = redis.call('HMGET', notice_key(args.endpoint, found[at]), 'attempts', 'why', 'dead_at', 'body')
  for _, part in ipairs(stored) do reply[#reply + 1] = part end
end
return reply
