-- merge_late_print: a print that came after its second was let go is merged into what the store holds, once.
--
-- KEYS  1-6 the 1s series open, high, low, close, volume, notional of one symbol (in ticks of 1/10000)
--       7   late:{SYM}  sorted set of prints merged within the last ttl_ms, by when
-- ARGV  1 t            start of the second, epoch ms
--       2 price        ticks, "" where the print may not move high and low
--       3 size         0 where the print does not update volume; may be fractional
--       4 notional     ticks, of the size
--       5 print        identifies the print among those of the symbol; not empty
--       6 lateness_ms  further behind a series' newest sample a write would harm the larger candles
--       7 ttl_ms       how long the print is remembered
--       8 also         optional: another name under which the print is remembered, but not looked for
-- Returns "merged"; "known" when this print was merged before; "missing" when a series does not exist; "too_late".
--         Only "merged" changes anything, and it creates no series.
-- Errors  BADARG; WRONGTYPE; BADDATA when a write failed (it is not repeated: a sum must not be added twice).

local LARGEST = 9007199254740991
local DAY_MS = 86400000
local PRICE_LIMIT = 1e15

-- Whole numbers exactly, others with all their digits; sums of sizes are rounded to six decimals, as in the market state.
local function stored(number)
    if number == math.floor(number) then
        return string.format('%.0f', number)
    end
    local text = string.format('%.6f', number)
    return (text:gsub('0+$', ''):gsub('%.$', ''))
end

-- The six values at t by the place of their key (nil where there is none), and the oldest time that may be written; nothing
-- when a series is missing.
local function read(keys, t, lateness)
    local values, edge = {}, 0
    for place = 1, 6 do
        local newest = redis.pcall('TS.GET', keys[place])
        if newest.err then
            if newest.err:find('does not exist', 1, true) then
                return nil
            end
            error(newest)
        end
        if newest[1] then
            edge = math.max(edge, newest[1] - lateness)
        end
        local sample = redis.call('TS.RANGE', keys[place], t, t)[1]
        values[place] = sample and tonumber(sample[2].ok)
    end
    return values, edge
end

-- What is to be written, as words of TS.MADD.
local function merged(keys, t, values, price, size, notional)
    local words = {}
    local function write(place, number)
        words[#words + 1], words[#words + 2], words[#words + 3] = keys[place], t, stored(number)
    end
    local high, low, volume, known = values[2], values[3], values[5], values[6]
    if price and (not high or price > high) then
        write(2, price)
    end
    if price and (not low or price < low) then
        write(3, price)
    end
    if size > 0 or not volume then
        write(5, (volume or 0) + size)
    end
    -- A notional below 0 means that part of the volume has none, and so does a missing one beside a volume.
    if known and known >= 0 and notional > 0 or not known and (volume or 0) == 0 then
        write(6, (known or 0) + notional)
    end
    return words
end

local function merge_late_print(keys, args)
    expect(keys, 7, args, 7, 8, 'merge_late_print open high low close volume notional (series) late:{SYMBOL} '
        .. 't price size notional print lateness_ms ttl_ms [also]')
    local t = integer(args[1], 't', 0, LARGEST)
    local price = args[2] ~= '' and integer(args[2], 'price', 0, PRICE_LIMIT) or nil
    local size, notional = tonumber(decimal(args[3], 'size')), integer(args[4], 'notional', 0, LARGEST)
    local lateness, ttl = integer(args[6], 'lateness_ms', 0, LARGEST), integer(args[7], 'ttl_ms', 1, DAY_MS)
    if size < 0 or args[5] == '' then
        refuse('BADARG', 'size must not be negative, nor print empty')
    end
    if redis.call('ZSCORE', keys[7], args[5]) then
        return 'known'
    end
    local values, edge = read(keys, args[1], lateness)
    if not values then
        return 'missing'
    end
    if t < edge then
        return 'too_late'
    end
    local now = tonumber(redis.call('TIME')[1]) * 1000
    redis.call('ZREMRANGEBYSCORE', keys[7], '-inf', now - ttl)
    redis.call('ZADD', keys[7], now, args[5])
    if (args[8] or '') ~= '' then
        redis.call('ZADD', keys[7], now, args[8])
    end
    redis.call('PEXPIRE', keys[7], ttl)
    local words = merged(keys, args[1], values, price, size, notional)
    for _, reply in ipairs(#words > 0 and redis.call('TS.MADD', unpack(words)) or {}) do
        if type(reply) == 'table' and reply.err then
            refuse('BADDATA', reply.err)
        end
    end
    return 'merged'
end

redis.register_function{function_name = 'merge_late_print', callback = merge_late_print,
    description = 'a print that came too late for its second is merged into the stored one, once'}
