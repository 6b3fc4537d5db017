-- make_way: deletes the bar that fills a minute from its series, as far as second bars have replaced it.
--
-- KEYS  the 1s series of one symbol
-- ARGV  1 start   of the minute, epoch ms
--       2 mark    the time of the filling bar's samples, epoch ms
--       3 length  of the minute, ms
-- Returns how many samples were deleted.
-- Errors  BADARG.
--
-- A sample stays where its minute has no other one in that series (a second without prices leaves the prices to the minute
-- bar). This is also what keeps the server alive: RedisTimeSeries 1.12 crashes when TS.DEL empties the newest bucket of a
-- series whose rules have closed two buckets before.

local LARGEST_T = 9007199254740991

local function make_way(keys, args)
    expect(keys, #keys, args, 3, 3, 'make_way series... start_ms mark_ms length_ms')
    local start = integer(args[1], 'start', 0, LARGEST_T)
    local mark = integer(args[2], 'mark', 0, LARGEST_T)
    local last = string.format('%.0f', start + integer(args[3], 'length', 1, LARGEST_T) - 1)
    local deleted = 0
    for _, key in ipairs(keys) do
        local found = redis.pcall('TS.RANGE', key, args[1], last, 'COUNT', 2)
        if not found.err and #found == 2 and (found[1][1] == mark or found[2][1] == mark) then
            deleted = deleted + redis.call('TS.DEL', key, args[2], args[2])
        end
    end
    return deleted
end

redis.register_function{function_name = 'make_way', callback = make_way,
    description = 'the bar that filled a minute makes way for its second bars'}
