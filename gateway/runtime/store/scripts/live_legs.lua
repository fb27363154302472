-- Concurrency places that are taken; only looks.

return redis.call('ZCOUNT', key('places', args.carrier), '(' .. text(clock_at(args.now)), '+inf')
