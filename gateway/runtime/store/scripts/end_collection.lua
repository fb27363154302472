-- The collecting is over. A process that was slow must not send the next one further back than another has been.

local collection_key = key('collection', args.carrier)
local since = math.max(tonumber(redis.call('HGET', collection_key, 'since') or '0'), args.since)
redis.call('HSET', collection_key, 'since', text(since), 'until', '0')
return 1
