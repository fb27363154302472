-- What came of a delivery, unless somebody else has claimed the notice since, or it is gone.

local stored, endpoint_key = notice_key(args.endpoint, args.id), key('endpoint', args.endpoint)
local newest = redis.call('HGET', stored, 'token')
if not newest or newest == '' or newest ~= args.token then return 0 end
local clock = clock_at(args.now)
keep_clock(clock)

-- The endpoint is well: a few of the lines whose heads wait long for another try are due now, each head once in its life, and
-- that try is not counted among its own.
local function hasten_lines()
  local lines, left = key('lines', args.endpoint), tonumber(args.hastened)
  local waiting = redis.call('ZRANGEBYSCORE', lines, '(' .. text(clock + args.long_s), '+inf', 'LIMIT', '0', args.looked_at)
  for _, about in ipairs(waiting) do
    local head = notice_key(args.endpoint, redis.call('LINDEX', line_key(args.endpoint, about), '0'))
    local known = redis.call('HMGET', head, 'token', 'hastened')
    if left > 0 and known[1] == '' and not known[2] then
      redis.call('HSET', head, 'hastened', '1')
      redis.call('HINCRBY', head, 'attempts', '-1')
      redis.call('ZADD', lines, text(clock), about)
      left = left - 1
    end
  end
end

if args.delivered then
  take_out_of_line(args.endpoint, args.id, clock)
  redis.call('DEL', stored)
  redis.call('HINCRBY', endpoint_key, 'delivered', '1')
  redis.call('HSET', endpoint_key, 'delivered_at', text(clock), 'failures', '0')
  redis.call('HDEL', endpoint_key, 'failing_since')
  hasten_lines()
  return 1
end

redis.call('HINCRBY', endpoint_key, 'failures', '1')
redis.call('HSETNX', endpoint_key, 'failing_since', text(clock))
redis.call('HSET', endpoint_key, 'error', args.error, 'error_at', text(clock))
if args.pause_s > 0 then redis.call('HSET', endpoint_key, 'paused_until', text(clock + args.pause_s)) end
if args.disable ~= '' then redis.call('HSET', endpoint_key, 'disabled', args.disable, 'disabled_at', text(clock)) end
if args.retry_in_s then
  redis.call('HSET', stored, 'token', '')
  redis.call('ZADD', key('lines', args.endpoint), text(clock + args.retry_in_s), redis.call('HGET', stored, 'about'))
else
  bury_notice(args.endpoint, args.id, args.error, clock, args.dead_kept)
end
return 1
