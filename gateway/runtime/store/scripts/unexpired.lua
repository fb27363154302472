-- One field of a record that has an `expires_at`, if the record is there and its time has not come; only looks.

local stored = redis.call('HMGET', key(args.kind, args.id), args.field, 'expires_at')
if stored[1] and (stored[2] == '' or tonumber(stored[2]) > clock_at(args.now or 0)) then return stored[1] end
return nil
