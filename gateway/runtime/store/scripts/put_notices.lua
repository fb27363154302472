-- Notices that tell of nothing else that is written.

write_notices(args.notices)
return 1
