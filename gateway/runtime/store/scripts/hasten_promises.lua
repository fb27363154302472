-- Make promises that wait for one of these reasons due now, the earliest first. Leased ones are not in `waiting`.

local clock = clock_at(args.now)
local waiting = {}
for _, reason in ipairs(args.reasons) do
  local found = redis.call('ZRANGEBYSCORE', key('waiting', reason), '(' .. text(clock), '+inf',
    'WITHSCORES', 'LIMIT', '0', args.limit)
  for at = 1, #found, 2 do waiting[#waiting + 1] = { tonumber(found[at + 1]), found[at], reason } end
end
table.sort(waiting, function(a, b)
  if a[1] ~= b[1] then return a[1] < b[1] end
  return a[2] < b[2]
end)

local hastened = math.min(#waiting, tonumber(args.limit))
if hastened > 0 then keep_clock(clock) end
for at = 1, hastened do
  local priority = redis.call('HGET', key('promise', waiting[at][2]), 'priority')
  redis.call('ZADD', promise_queue(priority), text(clock), waiting[at][2])
  redis.call('ZADD', key('waiting', waiting[at][3]), text(clock), waiting[at][2])
end
return hastened
