-- raise_alert: one alert, once. Cooldown, dedupe, stream entry and publication in one atomic step.
--
-- KEYS  1 the stream of alerts: fields id t symbol rule severity direction magnitude message price
--       2 hash of fired alerts: "rule|symbol|direction" -> event times (epoch ms) of the REMEMBERED newest ones,
--         in the order they were raised, separated by spaces
-- ARGV  1 id         deterministic: the same event has the same id
--       2 t          event time, epoch ms
--       3 symbol     4 rule     5 severity
--       6 direction  "up", "down" or "" (none; null in JSON)
--       7 magnitude  decimal
--       8 message    any UTF-8 text
--       9 price      decimal
--      10 cooldown   ms of event time, 0 for none
--      11 maxlen     the stream is capped at about this many entries
--      12 channel    where the alert is published as JSON
-- Returns "raised"; "duplicate" when an alert of this rule, symbol and direction fired at the same t;
--         "cooldown" when one fired less than `cooldown` before or after t. Only "raised" changes anything.
-- Errors  BADARG; WRONGTYPE when a key holds something else.
--
-- The cooldown is a distance in event time, both ways, and never a TTL: alerts raised again after a crash, out of order or at
-- a hundred times the speed give the same result, and a replay of another year is a timeline of its own.

local REMEMBERED = 64
local LARGEST_T = 9007199254740991
local YEAR_MS = 31536000000

local function raise_alert(keys, args)
    expect(keys, 2, args, 12, 12, 'raise_alert alerts {alerts}:fired id t symbol rule severity direction magnitude '
        .. 'message price cooldown_ms maxlen channel')
    local stream, fired_key = keys[1], keys[2]
    local id, symbol, rule, severity, direction = args[1], args[3], args[4], args[5], args[6]
    local t_text, message, channel = args[2], args[8], args[12]
    local t = integer(t_text, 't', 0, LARGEST_T)
    local magnitude, price = decimal(args[7], 'magnitude'), decimal(args[9], 'price')
    local cooldown = integer(args[10], 'cooldown', 0, YEAR_MS)
    local maxlen = integer(args[11], 'maxlen', 1, 1000000)

    local subject = rule .. '|' .. symbol .. '|' .. direction
    local fired, near = {}, false
    for text in (redis.call('HGET', fired_key, subject) or ''):gmatch('%d+') do
        local distance = math.abs(tonumber(text) - t)
        if distance == 0 then
            return 'duplicate'
        end
        near = near or distance < cooldown
        fired[#fired + 1] = text
    end
    if near then
        return 'cooldown'
    end

    redis.call('XADD', stream, 'MAXLEN', '~', maxlen, '*', 'id', id, 't', t_text, 'symbol', symbol, 'rule', rule,
        'severity', severity, 'direction', direction, 'magnitude', magnitude, 'message', message, 'price', price)
    fired[#fired + 1] = t_text
    redis.call('HSET', fired_key, subject, table.concat(fired, ' ', math.max(1, #fired - REMEMBERED + 1)))
    -- Numbers go into the JSON as their own texts: cjson would write a long t as 1.76e+12 or round a price.
    redis.call('PUBLISH', channel, '{"id":' .. cjson.encode(id)
        .. ',"t":' .. t_text
        .. ',"symbol":' .. cjson.encode(symbol)
        .. ',"rule":' .. cjson.encode(rule)
        .. ',"severity":' .. cjson.encode(severity)
        .. ',"direction":' .. (direction == '' and 'null' or cjson.encode(direction))
        .. ',"magnitude":' .. magnitude
        .. ',"message":' .. cjson.encode(message)
        .. ',"price":' .. price .. '}')
    return 'raised'
end

redis.register_function{function_name = 'raise_alert', callback = raise_alert,
    description = 'one alert, once: cooldown in event time, dedupe, stream and publication in one step'}
