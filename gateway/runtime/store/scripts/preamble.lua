-- Stands before every script. KEYS[1] is the hash tag; all keys are built from it, so all of them live in its slot.
-- ARGV[1] is one MessagePack map; ARGV[2], where there is one, is raw bytes, which MessagePack here does not read.
-- Replies carry floats as text, since a Lua number would lose its fraction on the way.

local prefix = KEYS[1]
local args = cmsgpack.unpack(ARGV[1])

local function key(kind, id)
  if id then return prefix .. ':' .. kind .. ':' .. id end
  return prefix .. ':' .. kind
end

-- tostring() keeps 14 digits; unix times need 17.
local function text(number)
  return string.format('%.17g', number)
end

-- The caller's clock, kept from going back by the latest time of any write.
local function clock_at(now)
  return math.max(tonumber(redis.call('GET', key('clock')) or '0'), now)
end

-- Called by steps that write, never by those that only look: an idle poll costs no disk write.
local function keep_clock(clock)
  redis.call('SET', key('clock'), text(clock))
end

-- The token of a command's newest delivery; older ones may do nothing to it.
local function held(command_id, token)
  local newest = redis.call('HGET', key('command', command_id), 'token')
  return newest and newest ~= '' and newest == token
end

-- Nobody's process holds the command from here on.
local function let_go(command_id)
  local holder = redis.call('HGET', key('command', command_id), 'holder')
  if holder and holder ~= '' then
    redis.call('SREM', key('held', holder), command_id)
    redis.call('HDEL', key('command', command_id), 'holder')
  end
end

-- What a process that is no more holds is due; its tokens stay good until somebody else claims.
local function free_commands(process_id, clock)
  for _, command_id in ipairs(redis.call('SMEMBERS', key('held', process_id))) do
    redis.call('ZADD', key('outbox'), text(clock), command_id)
    redis.call('HDEL', key('command', command_id), 'holder')
  end
  redis.call('DEL', key('held', process_id))
end

-- The token of a session's newest lease, as text; '0' before the first.
local function leased_as(call_id)
  return redis.call('HGET', key('lease', call_id), 'token') or '0'
end

local function drop_command(command_id)
  local call_id = redis.call('HGET', key('command', command_id), 'call')
  if call_id then redis.call('SREM', key('commands', call_id), command_id) end
  let_go(command_id)
  redis.call('ZREM', key('outbox'), command_id)
  redis.call('DEL', key('command', command_id))
end

-- One queue for each priority; the oldest of them has no name.
local function promise_queue(priority)
  if not priority or priority == 'normal' then return key('promises') end
  return key('promises', priority)
end

local function drop_promise(call_id)
  local stored = redis.call('HMGET', key('promise', call_id), 'reason', 'priority')
  if stored[1] then redis.call('ZREM', key('waiting', stored[1]), call_id) end
  redis.call('ZREM', promise_queue(stored[2]), call_id)
  redis.call('DEL', key('promise', call_id))
end

-- Notices to the user's systems. Those about the same thing stand in one line, which is due when its head is; places in
-- `backlog` and `dead` are counted over all notices. See notice_contract.py.

local function notice_key(endpoint, id)
  return key('notice', endpoint .. ':' .. id)
end

local function line_key(endpoint, about)
  return key('line', endpoint .. ':' .. about)
end

local function next_place()
  return text(redis.call('INCR', key('notice_places')))
end

local function take_out_of_line(endpoint, id, clock)
  local about = redis.call('HGET', notice_key(endpoint, id), 'about')
  local line = line_key(endpoint, about)
  local was_first = redis.call('LINDEX', line, '0') == id
  redis.call('LREM', line, '1', id)
  redis.call('ZREM', key('backlog', endpoint), id)
  if redis.call('LLEN', line) == 0 then
    redis.call('ZREM', key('lines', endpoint), about)
  elseif was_first then
    redis.call('ZADD', key('lines', endpoint), text(clock), about)
  end
end

local function bury_notice(endpoint, id, why, clock, dead_kept)
  take_out_of_line(endpoint, id, clock)
  redis.call('HSET', notice_key(endpoint, id), 'token', '', 'why', why, 'dead_at', text(clock))
  redis.call('ZADD', key('dead', endpoint), next_place(), id)
  while redis.call('ZCARD', key('dead', endpoint)) > dead_kept do
    local oldest = redis.call('ZRANGE', key('dead', endpoint), '0', '0')[1]
    redis.call('ZREM', key('dead', endpoint), oldest)
    redis.call('DEL', notice_key(endpoint, oldest))
    redis.call('HINCRBY', key('endpoint', endpoint), 'forgotten', '1')
  end
end

local function stand_in_line(endpoint, id, about, clock, kept, dead_kept)
  redis.call('RPUSH', line_key(endpoint, about), id)
  if not redis.call('ZSCORE', key('lines', endpoint), about) then
    redis.call('ZADD', key('lines', endpoint), text(clock), about)
  end
  redis.call('ZADD', key('backlog', endpoint), next_place(), id)
  while redis.call('ZCARD', key('backlog', endpoint)) > kept do
    local oldest = redis.call('ZRANGE', key('backlog', endpoint), '0', '0')[1]
    redis.call('HINCRBY', key('endpoint', endpoint), 'overflowed', '1')
    bury_notice(endpoint, oldest, 'backlog-full', clock, dead_kept)
  end
end

-- Moves no clock: some of the writes that bring notices know of none.
local function write_notices(notices)
  for _, notice in ipairs(notices or {}) do
    if redis.call('EXISTS', notice_key(notice.endpoint, notice.id)) == 0 then
      local clock = clock_at(notice.at)
      redis.call('HSET', notice_key(notice.endpoint, notice.id), 'body', notice.body, 'about', notice.about,
        'attempts', '0', 'token', '', 'since', text(clock))
      stand_in_line(notice.endpoint, notice.id, notice.about, clock, notice.kept, notice.dead_kept)
    end
  end
end
