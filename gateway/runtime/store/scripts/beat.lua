-- A process says that it is alive. Reply: how many others are alive, then their bodies, then the bodies of the dead.
-- One whose own time had run out finds nobody dead: it was away itself, and so may all the others have been.

local clock = clock_at(args.now)
keep_clock(clock)
local own = redis.call('ZSCORE', key('processes'), args.id)
local was_alive = own and tonumber(own) > clock
redis.call('ZADD', key('processes'), text(clock + args.lives_s), args.id)
redis.call('HSET', key('process'), args.id, args.body)

local function bodies(from, to)
  local found = redis.call('ZRANGEBYSCORE', key('processes'), from, to)
  table.sort(found)
  local told = {}
  for _, id in ipairs(found) do
    if id ~= args.id then told[#told + 1] = { id, redis.call('HGET', key('process'), id) } end
  end
  return told
end

local reply = {}
for _, other in ipairs(bodies('(' .. text(clock), '+inf')) do reply[#reply + 1] = other[2] end
table.insert(reply, 1, #reply)
if not was_alive then return reply end
for _, dead in ipairs(bodies('-inf', text(clock))) do
  free_commands(dead[1], clock)
  reply[#reply + 1] = dead[2]
end
return reply
