-- The leases of these calls, or else of the process `owner`. Reply: call id, owner, address, token, call id...

local call_ids = args.call_ids
if args.owner then
  call_ids = redis.call('SMEMBERS', key('leased', args.owner))
  table.sort(call_ids)
end
local reply = {}
for _, call_id in ipairs(call_ids) do
  local stored = redis.call('HMGET', key('lease', call_id), 'owner', 'address', 'token')
  if stored[3] then
    for _, part in ipairs({ call_id, stored[1], stored[2], stored[3] }) do reply[#reply + 1] = part end
  end
end
return reply
