-- Calls that are in all of the lists `names`, newest first, older than the position `before`.
-- Walks the shortest list and looks its members up in the others; gives up after `steps` members, so that no filter can
-- hold the server for long, and says where to go on.
-- Reply: the position to go on from ('' when there is nothing more to find), then position, body, position, body...

local SLICE = 200

local function shortest_first(names)
  local sized = {}
  for _, name in ipairs(names) do sized[#sized + 1] = { name, redis.call('ZCARD', key('list', name)) } end
  table.sort(sized, function(a, b) return a[2] < b[2] end)
  return sized
end

local lists = shortest_first(args.names)

local function in_all(position)
  for at = 2, #lists do
    if not redis.call('ZSCORE', key('list', lists[at][1]), position) then return false end
  end
  return true
end

local reply, found, steps = { '' }, 0, 0
local before = args.before and ('(' .. args.before) or '+'
while true do
  local slice = redis.call('ZREVRANGEBYLEX', key('list', lists[1][1]), before, '-', 'LIMIT', '0', tostring(SLICE))
  for _, position in ipairs(slice) do
    if in_all(position) then
      found = found + 1
      reply[#reply + 1] = position
      -- 16 digits of time, a colon, the call's id.
      reply[#reply + 1] = redis.call('HGET', key('call', string.sub(position, 18)), 'body')
    end
    if found == args.limit then return reply end
    before = '(' .. position
  end
  steps = steps + #slice
  if #slice < SLICE then return reply end
  if steps >= args.steps then
    reply[1] = slice[#slice]
    return reply
  end
end
