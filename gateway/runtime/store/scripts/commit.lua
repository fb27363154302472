-- One atomic write of a call and of all that follows from it. `args` is a Plan (plan.py); ARGV[2] is the answer of its mark.
-- Every check stands before the first write, and nothing after the first write can fail: Redis does not roll back.

local plan = args
local clock = clock_at(plan.now)
local call_key = key('call', plan.call_id)
local DAY_MS, YEAR_MS = 86400000, 31536000000

-- checks, in the order of the contract

local function known_key()
  if not plan.key then return nil end
  local bound = redis.call('HMGET', key('idempotency', plan.key), 'record', 'expires_at')
  if bound[1] and (bound[2] == '' or tonumber(bound[2]) > clock) then return bound[1] end
end

local function known_mark()
  if not plan.mark then return nil end
  local mark = redis.call('HMGET', key('mark', plan.mark.key), 'answer', 'expires_at')
  if mark[1] and tonumber(mark[2]) > clock then return mark[1] end
end

local function stale_breaker(permit)
  local stored = redis.call('HMGET', key('breaker', permit.carrier), 'version', 'epoch')
  if permit.probe then return tonumber(stored[1] or '0') ~= (permit.version or 0) end
  return tonumber(stored[2] or '0') ~= permit.epoch
end

-- When a place may come free, if all are taken by other legs.
local function crowded_until(permit)
  local taken = redis.call('ZRANGEBYSCORE', key('places', permit.carrier), '(' .. text(clock), '+inf', 'WITHSCORES')
  local others, first = 0, clock + plan.concurrency_retry_s
  for at = 1, #taken, 2 do
    if taken[at] ~= permit.leg_id then
      others, first = others + 1, math.min(first, tonumber(taken[at + 1]))
    end
  end
  if others >= permit.concurrent then return first end
end

local function denial(permit)
  if not permit then return nil end
  local hand = redis.call('HGET', key('hand', permit.carrier), 'state')
  if hand and hand ~= 'active' then return { 'denied', 'out of service', text(clock) } end
  if stale_breaker(permit) then return { 'denied', 'breaker', text(clock) } end
  local crowded = crowded_until(permit)
  if crowded then return { 'denied', 'concurrency', text(crowded) } end
  local next_free = tonumber(redis.call('HGET', key('next_free'), permit.carrier) or '0')
  if clock < next_free then return { 'denied', 'pace', text(next_free) } end
end

-- The promise that the writer keeps must still be in its hands.
local function lost_promise()
  return plan.kept and (plan.kept == '' or redis.call('HGET', key('promise', plan.call_id), 'token') ~= plan.kept)
end

-- The call that is the one open promise to a number for a purpose. One that has ended, or is gone, is none: an older
-- version may have ended it and not known.
local function holder_of(slot)
  local holder = redis.call('HGET', key('slots'), slot)
  if not holder or redis.call('EXISTS', key('call', holder)) == 0 then return nil end
  if redis.call('ZSCORE', key('ended'), holder) then return nil end
  return holder
end

local function gives_way(holder, wanted)
  if holder == wanted.call_id or (holder == plan.call_id and not plan.holds) then return true end
  return wanted.succeeds and redis.call('EXISTS', key('promise', holder)) == 0
end

-- Only what would wait is refused: who is being dialled, and was succeeded by another promise, goes on.
local function taken(wanted)
  if not wanted or not wanted.slot or not wanted.promise or wanted.shared or not wanted.holds then return nil end
  local holder = holder_of(wanted.slot)
  if holder and not gives_way(holder, wanted) then return { 'taken', holder, wanted.call_id } end
end

local function refusal()
  local record = known_key()
  if record then return { 'replayed', record } end
  local answer = known_mark()
  if answer then return { 'repeated', answer } end
  if plan.done_id and not held(plan.done_id, plan.done_token or '') then return { 'fenced' } end
  if plan.lease and tonumber(leased_as(plan.call_id)) ~= plan.lease then return { 'fenced' } end
  if lost_promise() then return { 'fenced' } end
  local version = tonumber(redis.call('HGET', call_key, 'version') or '0')
  if version ~= plan.expected then return { 'conflict' } end
  return taken(plan) or taken(plan.follow) or denial(plan.permit)
end

-- writes

-- The stored time decides what is expired; the server's own expiry only collects the garbage, a day later.
local function collect_after(record_key, expires_at)
  local ms = math.max(expires_at - clock, 0) * 1000 + DAY_MS
  redis.call('PEXPIRE', record_key, string.format('%.0f', math.min(ms, 10 * YEAR_MS)))
end

local function write_lists()
  local stored = redis.call('HMGET', call_key, 'position', 'indexes')
  if stored[1] then
    for _, name in ipairs(cmsgpack.unpack(stored[2])) do redis.call('ZREM', key('list', name), stored[1]) end
  end
  for _, name in ipairs(plan.indexes) do redis.call('ZADD', key('list', name), '0', plan.position) end
end

-- The lease's token stays, so that a late word of an old owner is still refused; the context, if it is short, for a call back.
local function end_session()
  local stored = redis.call('HMGET', key('lease', plan.call_id), 'owner', 'context')
  if stored[1] and stored[1] ~= '' then redis.call('SREM', key('leased', stored[1]), plan.call_id) end
  if stored[2] and #stored[2] <= plan.longest_context then redis.call('HSET', call_key, 'last_context', stored[2]) end
  redis.call('HDEL', key('lease', plan.call_id), 'context')
end

local function write_call()
  write_lists()
  redis.call('HSET', call_key, 'version', text(plan.expected + 1), 'body', plan.body,
    'position', plan.position, 'indexes', cmsgpack.pack(plan.indexes))
  if plan.ended_at then
    redis.call('ZADD', key('ended'), text(plan.ended_at), plan.call_id)
    end_session()
  else
    redis.call('ZREM', key('ended'), plan.call_id)
  end
end

local function write_log()
  for _, body in ipairs(plan.entries or {}) do
    local id = redis.call('INCR', key('feed_end')) .. '-0'
    redis.call('XADD', key('entries', plan.call_id), id, 'body', body)
    redis.call('XADD', key('feed'), 'MAXLEN', '=', plan.feed_kept, id, 'body', body)
  end
end

local function write_command(command)
  drop_command(command.id)
  redis.call('HSET', key('command', command.id), 'call', plan.call_id, 'body', command.body, 'deliveries', '0', 'token', '')
  redis.call('ZADD', key('outbox'), text(math.max(command.due, clock)), command.id)
  redis.call('SADD', key('commands', plan.call_id), command.id)
end

local function write_promise()
  local promise = plan.promise
  if not promise then return drop_promise(plan.call_id) end
  if redis.call('HGET', key('promise', plan.call_id), 'body') == promise.body then return end
  drop_promise(plan.call_id)
  redis.call('HSET', key('promise', plan.call_id), 'body', promise.body, 'reason', promise.reason,
    'priority', promise.priority, 'token', '')
  redis.call('ZADD', promise_queue(promise.priority), text(promise.due), plan.call_id)
  redis.call('ZADD', key('waiting', promise.reason), text(promise.due), plan.call_id)
end

local function write_queues()
  if plan.done_id then drop_command(plan.done_id) end
  for _, command in ipairs(plan.commands or {}) do write_command(command) end
  write_promise()
end

local function write_slot()
  if not plan.slot then return end
  if plan.holds then
    local holder = holder_of(plan.slot)
    if not holder or gives_way(holder, plan) then redis.call('HSET', key('slots'), plan.slot, plan.call_id) end
  elseif redis.call('HGET', key('slots'), plan.slot) == plan.call_id then
    redis.call('HDEL', key('slots'), plan.slot)
  end
end

-- The call that takes this one's place, unless it is there already.
local function write_follow()
  if not plan.follow then return end
  plan = plan.follow
  call_key = key('call', plan.call_id)
  if redis.call('EXISTS', call_key) == 1 then return end
  write_call()
  write_log()
  write_queues()
  write_slot()
  write_notices(plan.notices)
end

-- A key that has expired, or that binds another call by now, is not ours to change.
local function set_expiry(client_key)
  local bound_key = key('idempotency', client_key)
  local bound = redis.call('HMGET', bound_key, 'call', 'expires_at')
  if bound[1] ~= plan.call_id or (bound[2] ~= '' and tonumber(bound[2]) <= clock) then return end
  if plan.ended_at then
    redis.call('HSET', bound_key, 'expires_at', text(plan.ended_at + plan.idempotency_s))
    collect_after(bound_key, plan.ended_at + plan.idempotency_s)
  else
    redis.call('HSET', bound_key, 'expires_at', '')
    redis.call('PERSIST', bound_key)
  end
end

local function write_keys()
  local keys_key = key('keys', plan.call_id)
  if plan.key then
    redis.call('HSET', key('idempotency', plan.key), 'record', plan.record, 'call', plan.call_id, 'expires_at', '')
    redis.call('SADD', keys_key, plan.key)
  end
  for _, client_key in ipairs(redis.call('SMEMBERS', keys_key)) do set_expiry(client_key) end
  if plan.mark then
    local mark_key = key('mark', plan.mark.key)
    redis.call('HSET', mark_key, 'answer', ARGV[2], 'expires_at', text(plan.mark.expires_at))
    collect_after(mark_key, plan.mark.expires_at)
  end
end

local function write_permits()
  for _, released in ipairs(plan.released or {}) do redis.call('ZREM', key('places', released[1]), released[2]) end
  local permit = plan.permit
  if not permit then return end
  local places_key = key('places', permit.carrier)
  redis.call('ZREMRANGEBYSCORE', places_key, '-inf', text(clock))
  redis.call('ZADD', places_key, text(permit.holds_until), permit.leg_id)
  redis.call('HSET', key('next_free'), permit.carrier, text(clock + permit.spacing))
  if permit.probe then
    redis.call('HSET', key('breaker', permit.carrier), 'version', text((permit.version or 0) + 1),
      'epoch', text(permit.probe_epoch or 0), 'body', permit.probe)
  end
end

local refused = refusal()
if refused then return refused end
keep_clock(clock)
write_call()
write_log()
write_queues()
write_slot()
write_keys()
write_permits()
write_notices(plan.notices)
write_follow()
return { 'committed' }
