-- When the earliest command or promise is due, as text; nothing if there is none.

local first = nil
for _, kind in ipairs({ 'outbox', 'promises' }) do
  local head = redis.call('ZRANGE', key(kind), '0', '0', 'WITHSCORES')
  if head[2] and (not first or tonumber(head[2]) < tonumber(first)) then first = head[2] end
end
return first
