-- Lease the heads of lines that are due, unless the endpoint is paused, or disabled at this URL.
-- Reply: id, token, attempts, age, body, id...

local clock = clock_at(args.now)
local state = redis.call('HMGET', key('endpoint', args.endpoint), 'disabled', 'paused_until')
if state[1] == args.url_mark or (state[2] and tonumber(state[2]) > clock) then return {} end
local due = redis.call('ZRANGEBYSCORE', key('lines', args.endpoint), '-inf', text(clock), 'LIMIT', '0', args.limit)
if #due > 0 then keep_clock(clock) end

local reply = {}
for _, about in ipairs(due) do
  local id = redis.call('LINDEX', line_key(args.endpoint, about), '0')
  local stored = notice_key(args.endpoint, id)
  local token = tostring(redis.call('INCR', key('notice_tokens')))
  local attempts = redis.call('HINCRBY', stored, 'attempts', '1')
  redis.call('HSET', stored, 'token', token)
  redis.call('ZADD', key('lines', args.endpoint), text(clock + args.lease_s), about)
  local told = redis.call('HMGET', stored, 'since', 'body')
  for _, part in ipairs({ id, token, attempts, text(clock - tonumber(told[1])), told[2] }) do reply[#reply + 1] = part end
end
return reply
