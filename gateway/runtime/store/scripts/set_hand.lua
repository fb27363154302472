-- What a person decided about a carrier.

redis.call('HSET', key('hand', args.carrier), 'state', args.state, 'body', args.body)
write_notices(args.notices)
return 1
