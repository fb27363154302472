-- When the earliest command or promise is due, as text; nothing if there is none.

local first = nil
for _, queue in ipairs({ key('outbox'), promise_queue('high'), promise_queue('normal'), promise_queue('low') }) do
  local head = redis.call('ZRANGE', queue, '0', '0', 'WITHSCORES')
  if head[2] and (not first or tonumber(head[2]) < tonumber(first)) then first = head[2] end
end
return first
