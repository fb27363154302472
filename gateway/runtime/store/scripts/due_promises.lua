-- Calls whose promise is due; the score is raised to the end of the lease, and only another promise lowers it again.

local clock = clock_at(args.now)
local due = redis.call('ZRANGEBYSCORE', key('promises'), '-inf', text(clock), 'LIMIT', '0', args.limit)
if #due > 0 then keep_clock(clock) end

for _, call_id in ipairs(due) do
  local promise_key = key('promise', call_id)
  redis.call('ZREM', key('waiting', redis.call('HGET', promise_key, 'reason')), call_id)
  redis.call('HSET', promise_key, 'leased', '1')
  redis.call('ZADD', key('promises'), text(clock + args.lease_s), call_id)
end
return due
