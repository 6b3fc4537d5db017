-- candles: the newest candles of a symbol with real prices, for people.
--   FCALL_RO candles 6 ts:{AAPL}:1m:open ts:{AAPL}:1m:high … ts:{AAPL}:1m:notional - + 20
--
-- KEYS  1-6 the series open, high, low, close, volume, notional of one symbol and timeframe (in ticks of 1/10000)
-- ARGV  1 from, 2 to   epoch ms, inclusive, of the candles' starts; "-" and "+" for no bound
--       3 count        1 to 1000: the newest so many closes are looked at
-- Returns rows [t, open, high, low, close, volume, vwap] of strings, ascending; the running candle included, and only candles
--         that have all four prices. vwap is "" without volume or where a part of the candle had no notional (it is negative).
-- Errors  BADARG; the module's own when a series does not exist.

local MOST = 1000
local TICKS = 10000
local SECOND_MS = 1000
local LARGEST = 9007199254740991

local function bound(text, open_end, name)
    if text ~= open_end then
        integer(text, name, 0, LARGEST)
    end
    return text
end

-- The samples of a series in from..to as a table of numbers by time.
local function samples(key, from, to)
    local values = {}
    for _, sample in ipairs(redis.call('TS.RANGE', key, from, to, 'LATEST')) do
        values[sample[1]] = tonumber(sample[2].ok)
    end
    return values
end

local function vwap(notional, volume)
    if not notional or not volume or notional < 0 or volume == 0 then
        return ''
    end
    return written(tonumber(string.format('%.6f', notional / volume / TICKS)))
end

local function candles(keys, args)
    expect(keys, 6, args, 3, 3, 'candles open high low close volume notional (series) from to count')
    local from, to = bound(args[1], '-', 'from'), bound(args[2], '+', 'to')
    local count = integer(args[3], 'count', 1, MOST)

    local closes = redis.call('TS.REVRANGE', keys[4], from, to, 'LATEST', 'COUNT', count)
    if #closes == 0 then
        return {}
    end
    local first, last = written(closes[#closes][1]), written(closes[1][1])
    local open, high = samples(keys[1], first, last), samples(keys[2], first, last)
    local low, volume = samples(keys[3], first, last), samples(keys[5], first, last)
    local notional = samples(keys[6], first, last)

    local rows = {}
    for position = #closes, 1, -1 do
        local t, close = closes[position][1], tonumber(closes[position][2].ok)
        -- In the 1s series a time beside the whole second marks a minute bar: not a candle of a second.
        if open[t] and high[t] and low[t] and t % SECOND_MS == 0 then
            rows[#rows + 1] = {
                written(t), written(open[t] / TICKS), written(high[t] / TICKS), written(low[t] / TICKS),
                written(close / TICKS), volume[t] and written(volume[t]) or '', vwap(notional[t], volume[t])
            }
        end
    end
    return rows
end

redis.register_function{function_name = 'candles', callback = candles, flags = {'no-writes'},
    description = 'the newest candles of a symbol with real prices: rows of t o h l c v vwap'}
