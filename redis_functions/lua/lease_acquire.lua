-- lease_acquire: the lease of a feed for one owner, if no other owner has it, with a new fencing token.
--
-- KEYS  1 lease:{FEED}           string with PX, JSON {"owner","token","since"}; since: epoch ms
--       2 lease:{FEED}:token     the newest token that was given out
--       3 lease:{FEED}:released  that token, if its owner gave the lease back
-- ARGV  1 owner    not empty; no two living processes have the same
--       2 ttl_ms
--       3 vanished "take" or "leave" a lease that has vanished: its owner may only have been cut off and return
--       4 seen     the newest token that the caller knows of, 0 for none
-- Returns {token, owner, newest token}: the token that was given, or 0 with the owner of the lease ("" for none: it vanished and
--         was left). A lease that was never given or was given back is free; an owner that asks again gets a new token.
-- Errors  BADARG; BADDATA when the lease holds something else; WRONGTYPE.

local HOUR_MS = 3600000

local function lease_acquire(keys, args)
    expect(keys, 3, args, 4, 4, 'lease_acquire lease:{FEED} lease:{FEED}:token lease:{FEED}:released owner ttl_ms take|leave seen')
    local owner, ttl, vanished = args[1], integer(args[2], 'ttl_ms', 1, HOUR_MS), args[3]
    local seen = integer(args[4], 'seen', 0, LARGEST_TOKEN)
    if owner == '' or (vanished ~= 'take' and vanished ~= 'leave') then
        refuse('BADARG', 'owner must not be empty, and a vanished lease is to take or to leave')
    end
    local held, given = lease_of(keys[1]), token_given(keys[2])
    local newest = math.max(seen, given)
    if held and held.owner ~= owner then
        return {0, tostring(held.owner), newest}
    end
    local released = given >= seen and redis.call('GET', keys[3]) == string.format('%.0f', given)
    if not held and newest > 0 and not released and vanished == 'leave' then
        return {0, '', newest}
    end
    if given == 0 then
        -- An emptied Redis has lost the count. Starting at the clock's seconds it is above any earlier one.
        newest = math.max(newest, tonumber(redis.call('TIME')[1]))
    end
    local token = newest + 1
    redis.call('SET', keys[2], string.format('%.0f', token))
    redis.call('DEL', keys[3])
    write_lease(keys[1], owner, token, ttl)
    return {token, owner, token}
end

redis.register_function{function_name = 'lease_acquire', callback = lease_acquire, flags = {'allow-oom'},
    description = 'the lease of a feed for one owner, if no other owner has it, with a new fencing token'}
