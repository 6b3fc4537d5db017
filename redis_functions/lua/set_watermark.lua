-- set_watermark: how far the effects of the spool are in Redis, written by the owner of the feed's lease.
--
-- KEYS  1 watermark:{FEED}         string: the number of the last record, of the spool that wrote last
--       2 watermark:{FEED}:spools  hash: the same for each spool (two boxes have one each, with numbers of their own)
--       3 lease:{FEED}   4 lease:{FEED}:token
-- ARGV  1 token    the caller's fencing token
--       2 spool    the id of its spool; may be empty
--       3 number   of the record
--       4 last     the number that Redis acknowledged to the caller last, "" for none yet
--       5 forward|forced   whether it may also move backwards
-- Returns {outcome, number}: number is what Redis has now, "" for none.
--         "set"; "behind" (Redis has a higher one, which stays); "fenced" (a later owner is active);
--         "emptied" (Redis has less than it had acknowledged: it was emptied or set back). Only "set" changes anything.
-- Errors  BADARG; WRONGTYPE.

local LARGEST = 9007199254740991

local function set_watermark(keys, args)
    expect(keys, 4, args, 5, 5, 'set_watermark watermark:{FEED} watermark:{FEED}:spools lease:{FEED} lease:{FEED}:token '
        .. 'token spool number last forward|forced')
    local token, spool = integer(args[1], 'token', 1, LARGEST_TOKEN), args[2]
    local number = integer(args[3], 'number', 0, LARGEST)
    local last = args[4] ~= '' and integer(args[4], 'last', 0, LARGEST) or -1
    if args[5] ~= 'forward' and args[5] ~= 'forced' then
        refuse('BADARG', 'the watermark moves forward or is forced')
    end
    local text = redis.call('EXISTS', keys[1]) == 1 and redis.call('HGET', keys[2], spool) or ''
    local stored = tonumber(text) or -1
    if is_fenced(keys[3], keys[4], token) then
        return {'fenced', text}
    end
    if stored < last then
        return {'emptied', text}
    end
    if number < stored and args[5] == 'forward' then
        return {'behind', text}
    end
    redis.call('SET', keys[1], args[3])
    redis.call('HSET', keys[2], spool, args[3])
    return {'set', args[3]}
end

redis.register_function{function_name = 'set_watermark', callback = set_watermark, flags = {'allow-oom'},
    description = 'how far the effects of the spool are in Redis, written by the owner of the lease'}
