-- write_gap: one record of a gap, once, written by the owner of the feed's lease.
--
-- KEYS  1 gaps:{FEED}        the stream: an append-only log in which the newest record of a gap counts
--       2 gaps:{FEED}:known  hash: gap id -> "state|to" of its newest record, of the newest gaps
--       3 lease:{FEED}   4 lease:{FEED}:token
-- ARGV  1 token       the caller's fencing token
--       2 maxlen      the stream is capped at about this many entries
--       3 remembered  gaps in the hash at most
--       4… names and values of the record's fields; among them gap (the id, not empty), state (open, unrepairable or
--         repaired) and to (epoch ms, "" while it is not known)
-- Returns "written"; "known" when the gap has this state and end already, or is past it: a gap only goes from open to
--         ended, and from there to unrepairable or repaired; "fenced" (a later owner is active). Only "written" changes
--         anything, so a record that is written again after a crash changes nothing.
-- Errors  BADARG; WRONGTYPE.

local LARGEST_T = 9007199254740991
local MOST_FIELDS = 32
-- How far a gap has come; one that is open and ended lies between.
local STAGES = {open = 0, unrepairable = 2, repaired = 3}

local function stage(state, to)
    return STAGES[state] == 0 and to ~= '' and 1 or STAGES[state] or 0
end

-- The fields of a stream's entry, or of the arguments, as a table.
local function record_of(words, first)
    local fields = {}
    for place = first, #words, 2 do
        fields[words[place]] = words[place + 1]
    end
    return fields
end

-- Learns the newest gaps from the stream: when the hash was lost, or has too many that are past.
local function relearn(stream, known, count)
    redis.call('DEL', known)
    local entries = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', count)
    for place = #entries, 1, -1 do
        local fields = record_of(entries[place][2], 1)
        redis.call('HSET', known, fields.gap or '', (fields.state or '') .. '|' .. (fields.to or ''))
    end
end

local function is_known(stream, known, remembered, record)
    local count = redis.call('HLEN', known)
    if count == 0 or count >= remembered then
        relearn(stream, known, math.floor(remembered / 2))
    end
    local state, to = (redis.call('HGET', known, record.gap) or ''):match('^(%a+)|(.*)$')
    if not state then
        return false
    end
    local before, now = stage(state, to), stage(record.state, record.to)
    return now < before or (now == before and to == record.to)
end

local function write_gap(keys, args)
    expect(keys, 4, args, 9, 3 + 2 * MOST_FIELDS, 'write_gap gaps:{FEED} gaps:{FEED}:known lease:{FEED} lease:{FEED}:token '
        .. 'token maxlen remembered gap ID state open|unrepairable|repaired to MS [name value …]')
    local token = integer(args[1], 'token', 1, LARGEST_TOKEN)
    local maxlen = integer(args[2], 'maxlen', 1, 1000000)
    local remembered = integer(args[3], 'remembered', 2, 100000)
    local record = record_of(args, 4)
    if #args % 2 == 0 or (record.gap or '') == '' or not STAGES[record.state] or not record.to then
        refuse('BADARG', 'a record has pairs of names and values, with a gap, a state that there is, and a to')
    end
    if record.to ~= '' then
        integer(record.to, 'to', 0, LARGEST_T)
    end
    if is_fenced(keys[3], keys[4], token) then
        return 'fenced'
    end
    if is_known(keys[1], keys[2], remembered, record) then
        return 'known'
    end
    redis.call('XADD', keys[1], 'MAXLEN', '~', maxlen, '*', unpack(args, 4))
    redis.call('HSET', keys[2], record.gap, record.state .. '|' .. record.to)
    return 'written'
end

redis.register_function{function_name = 'write_gap', callback = write_gap,
    description = 'one record of a gap, once, written by the owner of the lease'}
