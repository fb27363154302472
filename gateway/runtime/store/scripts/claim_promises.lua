-- Promises whose time has come, each with a new token; the score is raised to the end of the lease, and only another
-- promise lowers it again. What is more urgent counts as due earlier. With `per_second`, all who ask share one pace.
-- Reply: call id, token, call id, token...

local clock = clock_at(args.now)
local ALMOST = 1e-6

local function due()
  local found = {}
  for priority, head_start in pairs(args.head_starts) do
    local members = redis.call('ZRANGEBYSCORE', promise_queue(priority), '-inf', text(clock), 'WITHSCORES', 'LIMIT', '0', args.limit)
    for at = 1, #members, 2 do found[#found + 1] = { tonumber(members[at + 1]) - head_start, members[at] } end
  end
  table.sort(found, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  return found
end

local function allowed(wanted)
  if not args.per_second then return wanted end
  local free_at = tonumber(redis.call('HGET', key('next_free'), ':promises') or '0')
  local since = math.max(free_at, clock - args.burst / args.per_second)
  local count = math.min(wanted, math.floor((clock - since) * args.per_second + ALMOST))
  if count > 0 then redis.call('HSET', key('next_free'), ':promises', text(since + count / args.per_second)) end
  return count
end

local found, reply = due(), {}
local count = allowed(math.min(#found, tonumber(args.limit)))
if count > 0 then keep_clock(clock) end
for at = 1, count do
  local call_id = found[at][2]
  local promise_key = key('promise', call_id)
  local stored = redis.call('HMGET', promise_key, 'reason', 'priority')
  local token = tostring(redis.call('INCR', key('tokens')))
  redis.call('ZREM', key('waiting', stored[1]), call_id)
  redis.call('HSET', promise_key, 'token', token)
  redis.call('ZADD', promise_queue(stored[2]), text(clock + args.lease_s), call_id)
  reply[#reply + 1] = call_id
  reply[#reply + 1] = token
end
return reply
