-- The bodies of voicemails that stand before the position `before`, from the newest or from the oldest on.

local limit = tostring(args.limit)
local before = args.before and ('(' .. args.before) or '+'
local positions
if args.newest_first then
  positions = redis.call('ZREVRANGEBYLEX', key('voicemails'), before, '-', 'LIMIT', '0', limit)
else
  positions = redis.call('ZRANGEBYLEX', key('voicemails'), '-', before, 'LIMIT', '0', limit)
end
local reply = {}
for _, position in ipairs(positions) do
  -- 16 digits of time, a colon, the voicemail's id.
  reply[#reply + 1] = redis.call('HGET', key('voicemail', string.sub(position, 18)), 'body')
end
return reply
