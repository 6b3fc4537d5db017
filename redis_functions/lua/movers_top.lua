-- movers_top: the top of the last movers snapshot, for people.   FCALL_RO movers_top 1 movers change 10
--
-- KEYS  1 the string with the snapshot as JSON
-- ARGV  1 by   velocity, velocity_down, change, change_down or volume
--       2 n    1 to 1000 (the snapshot holds 50)
-- Returns rows [symbol, last, velocity, change, volume, t] of strings, best first: "" for null; empty without a snapshot.
-- Errors  BADARG; BADDATA when the string is not a snapshot; WRONGTYPE.

local ORDERS = {velocity = true, velocity_down = true, change = true, change_down = true, volume = true}
local COLUMNS = {'symbol', 'last', 'velocity', 'change', 'volume', 't'}
local MOST = 1000

local function movers_top(keys, args)
    expect(keys, 1, args, 2, 2, 'movers_top movers velocity|velocity_down|change|change_down|volume n')
    local by, n = args[1], integer(args[2], 'n', 1, MOST)
    if not ORDERS[by] then
        refuse('BADARG', 'by must be velocity, velocity_down, change, change_down or volume')
    end
    local text = redis.call('GET', keys[1])
    if not text then
        return {}
    end
    local ranked, rows = decoded(text, keys[1])[by] or {}, {}
    for place = 1, math.min(n, #ranked) do
        local row = {}
        for column, name in ipairs(COLUMNS) do
            row[column] = ranked[place][name] == nil and '' or written(ranked[place][name])
        end
        rows[place] = row
    end
    return rows
end

redis.register_function{function_name = 'movers_top', callback = movers_top, flags = {'no-writes'},
    description = 'the top of the last movers snapshot: rows of symbol last velocity change volume t'}
