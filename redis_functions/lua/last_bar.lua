-- last_bar: the newest bar of a symbol, for people.   FCALL_RO last_bar 1 latest:{AAPL}
--
-- KEYS  1 the string with the symbol's last bar as JSON
-- ARGV  none
-- Returns a flat list of names and values (sym t o h l c v vw): t epoch ms, real prices, "" for null; empty when there is no bar.
-- Errors  BADARG; BADDATA when the string is not a bar; WRONGTYPE.

local FIELDS = {'sym', 't', 'o', 'h', 'l', 'c', 'v', 'vw'}

local function last_bar(keys, args)
    expect(keys, 1, args, 0, 0, 'last_bar latest:{SYMBOL}')
    local text = redis.call('GET', keys[1])
    if not text then
        return {}
    end
    local bar, reply = decoded(text, keys[1]), {}
    for _, name in ipairs(FIELDS) do
        reply[#reply + 1] = name
        reply[#reply + 1] = bar[name] == nil and '' or written(bar[name])
    end
    return reply
end

redis.register_function{function_name = 'last_bar', callback = last_bar, flags = {'no-writes'},
    description = 'the newest bar of a symbol with real prices: names and values'}
