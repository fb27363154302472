-- Neither disabled nor paused; lines whose head waits for another try, and is in nobody's hands, are due now.

local clock = clock_at(args.now)
keep_clock(clock)
redis.call('HDEL', key('endpoint', args.endpoint), 'disabled', 'disabled_at', 'paused_until')
local hastened = 0
local waiting = redis.call('ZRANGEBYSCORE', key('lines', args.endpoint), '(' .. text(clock), '+inf')
for _, about in ipairs(waiting) do
  local id = redis.call('LINDEX', line_key(args.endpoint, about), '0')
  if redis.call('HGET', notice_key(args.endpoint, id), 'token') == '' then
    redis.call('ZADD', key('lines', args.endpoint), text(clock), about)
    hastened = hastened + 1
  end
end
return hastened
