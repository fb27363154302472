-- Give a claimed command back, not before `due`; the claim that did so is over.

if not held(args.command_id, args.token) then return 0 end
redis.call('HSET', key('command', args.command_id), 'token', '')
let_go(args.command_id)
redis.call('ZADD', key('outbox'), text(args.due), args.command_id)
return 1
