-- One process at a time collects what was left at a carrier. Reply: since when, or nil if somebody else is at it.

local clock = clock_at(args.now)
local collection_key = key('collection', args.carrier)
local stored = redis.call('HMGET', collection_key, 'since', 'until')
if stored[2] and tonumber(stored[2]) > clock then return nil end
keep_clock(clock)
redis.call('HSET', collection_key, 'until', text(clock + args.for_s), 'since', stored[1] or '0')
return stored[1] or '0'
