-- Remove calls that ended before a time, with all that belongs to them. Their idempotency keys stay until they expire:
-- a client that repeats its request must not make a second call because the first one has been cleaned away.

local function purge(call_id)
  local call_key = key('call', call_id)
  local stored = redis.call('HMGET', call_key, 'position', 'indexes')
  for _, name in ipairs(cmsgpack.unpack(stored[2])) do redis.call('ZREM', key('list', name), stored[1]) end
  for _, command_id in ipairs(redis.call('SMEMBERS', key('commands', call_id))) do drop_command(command_id) end
  drop_promise(call_id)
  local owner = redis.call('HGET', key('lease', call_id), 'owner')
  if owner and owner ~= '' then redis.call('SREM', key('leased', owner), call_id) end
  redis.call('ZREM', key('ended'), call_id)
  redis.call('DEL', call_key, key('entries', call_id), key('media', call_id), key('keys', call_id), key('commands', call_id),
    key('lease', call_id))
end

local chosen = redis.call('ZRANGEBYSCORE', key('ended'), '-inf', '(' .. text(args.ended_before), 'LIMIT', '0', args.limit)
for _, call_id in ipairs(chosen) do purge(call_id) end
return #chosen
