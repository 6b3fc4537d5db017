-- What the functions share: reading arguments, writing numbers. The loader puts this file before all others.
-- Errors begin with a code: the first word is BADARG (an argument) or BADDATA (what a key holds).

local function refuse(code, text)
    error({err = code .. ' ' .. text})
end

-- How many keys and arguments a call has; `usage` is shown when it has others.
local function expect(keys, key_count, args, least, most, usage)
    if #keys ~= key_count or #args < least or #args > most then
        refuse('BADARG', 'usage: ' .. usage)
    end
end

-- A whole number in decimal without sign or leading zero, so that its text is JSON as it stands.
local function integer(text, name, low, high)
    local number = text:match('^%d+$') and not text:match('^0%d') and tonumber(text)
    if not number or number < low or number > high then
        refuse('BADARG', string.format('%s must be a whole number from %.0f to %.0f', name, low, high))
    end
    return number
end

-- A finite number written as JSON writes it; answers the text, because Lua would lose digits of it.
local function decimal(text, name)
    local mantissa = text:match('^-?(.-)[eE][+-]?%d+$') or text:match('^-?(.*)$')
    local whole = mantissa:match('^(%d+)$') or mantissa:match('^(%d+)%.%d+$')
    local number = whole and not whole:match('^0%d') and tonumber(text)
    if not number or math.abs(number) == math.huge then
        refuse('BADARG', name .. ' must be a finite decimal number')
    end
    return text
end

-- The shortest text of a number with up to 15 digits; replies would cut a Lua number to an integer.
local function written(number)
    if type(number) ~= 'number' then
        return number == cjson.null and '' or tostring(number)
    end
    if number == math.floor(number) and math.abs(number) < 1e15 then
        return string.format('%.0f', number)
    end
    return string.format('%.15g', number)
end

-- The value of a JSON text; `what` names the key in the error.
local function decoded(text, what)
    local fine, value = pcall(cjson.decode, text)
    if not fine or type(value) ~= 'table' then
        refuse('BADDATA', what .. ' does not hold the JSON that ingest writes')
    end
    return value
end
