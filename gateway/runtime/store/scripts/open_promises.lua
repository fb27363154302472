-- How many calls are in each of these lists, behind the time at which the first promise of any priority is due ('' if none waits).

local first
for _, priority in ipairs(args.priorities) do
  local due = redis.call('ZRANGE', promise_queue(priority), '0', '0', 'WITHSCORES')[2]
  if due and (not first or tonumber(due) < tonumber(first)) then first = due end
end

local reply = { first or '' }
for _, name in ipairs(args.lists) do reply[#reply + 1] = redis.call('ZCARD', key('list', name)) end
return reply
