-- Acknowledge a claimed command, unless somebody else claimed it since.

if not held(args.command_id, args.token) then return 0 end
drop_command(args.command_id)
return 1
