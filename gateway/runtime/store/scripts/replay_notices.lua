-- Dead letters go back into their lines, behind what stands there, as if they were new.

local clock = clock_at(args.now)
local dead_key = key('dead', args.endpoint)
local ids = args.id and { args.id } or redis.call('ZRANGEBYSCORE', dead_key, '-inf', '+inf', 'LIMIT', '0', args.limit)
local replayed = 0
for _, id in ipairs(ids) do
  if redis.call('ZSCORE', dead_key, id) then
    local stored = notice_key(args.endpoint, id)
    redis.call('ZREM', dead_key, id)
    redis.call('HDEL', stored, 'why', 'dead_at', 'hastened')
    redis.call('HSET', stored, 'attempts', '0', 'since', text(clock))
    stand_in_line(args.endpoint, id, redis.call('HGET', stored, 'about'), clock, args.kept, args.dead_kept)
    replayed = replayed + 1
  end
end
if replayed > 0 then keep_clock(clock) end
return replayed
