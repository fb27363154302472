-- Lease the earliest commands that are due. Tokens are counted over all deliveries, so that none is ever given twice.
-- Reply: command id, token, deliveries, body, command id...

local clock = clock_at(args.now)
local due = redis.call('ZRANGEBYSCORE', key('outbox'), '-inf', text(clock), 'LIMIT', '0', args.limit)
if #due > 0 then keep_clock(clock) end

local reply = {}
for _, command_id in ipairs(due) do
  local command_key = key('command', command_id)
  local token = tostring(redis.call('INCR', key('tokens')))
  local deliveries = redis.call('HINCRBY', command_key, 'deliveries', 1)
  redis.call('HSET', command_key, 'token', token)
  let_go(command_id)
  if args.holder ~= '' then
    redis.call('HSET', command_key, 'holder', args.holder)
    redis.call('SADD', key('held', args.holder), command_id)
  end
  redis.call('ZADD', key('outbox'), text(clock + args.lease_s), command_id)
  for _, part in ipairs({ command_id, token, deliveries, redis.call('HGET', command_key, 'body') }) do
    reply[#reply + 1] = part
  end
end
return reply
