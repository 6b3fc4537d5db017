-- The lease of a feed: its owner, and whether a fencing token is still valid. Tokens only grow: a higher one is a later owner.
-- (Loaded after _shared.lua, whose helpers it uses: the order is that of the names.)

local LARGEST_TOKEN = 9007199254740991

-- The lease as a table with owner and token; nil when there is none.
local function lease_of(key)
    local text = redis.call('GET', key)
    return text and decoded(text, key) or nil
end

-- The newest token that was given out; 0 for none.
local function token_given(key)
    local token = tonumber(redis.call('GET', key) or 0)
    return token or refuse('BADDATA', key .. ' does not hold a number')
end

local function write_lease(key, owner, token, ttl_ms)
    local clock = redis.call('TIME')
    local since = string.format('%.0f', tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000))
    -- Numbers as texts of our own: cjson would write a long one as 1.76e+12.
    redis.call('SET', key, '{"owner":' .. cjson.encode(owner) .. ',"token":' .. string.format('%.0f', token)
        .. ',"since":' .. since .. '}', 'PX', ttl_ms)
end

-- Whether the owner of `token` must not write any more: a later one was given out, or another owns the lease (after Redis
-- was emptied the count restarts, so both are checked).
local function is_fenced(lease_key, token_key, token)
    local held = lease_of(lease_key)
    return token_given(token_key) > token or (held ~= nil and held.token ~= token)
end
