-- lease_renew: the owner keeps its lease. One that has expired returns to it, unless a later owner has taken it.
--
-- KEYS  1 lease:{FEED}   2 lease:{FEED}:token   (see lease_acquire)
-- ARGV  1 owner   2 token   3 ttl_ms
-- Returns 1, or 0: the lease is lost, for good.
-- Errors  BADARG; BADDATA when the lease holds something else; WRONGTYPE.

local HOUR_MS = 3600000

local function lease_renew(keys, args)
    expect(keys, 2, args, 3, 3, 'lease_renew lease:{FEED} lease:{FEED}:token owner token ttl_ms')
    local owner, token = args[1], integer(args[2], 'token', 1, LARGEST_TOKEN)
    local ttl = integer(args[3], 'ttl_ms', 1, HOUR_MS)
    local held = lease_of(keys[1])
    if is_fenced(keys[1], keys[2], token) or (held and held.owner ~= owner) then
        return 0
    end
    if held then
        redis.call('PEXPIRE', keys[1], ttl)
    else
        write_lease(keys[1], owner, token, ttl)
    end
    -- In a Redis that was emptied the count goes on from here.
    if token_given(keys[2]) < token then
        redis.call('SET', keys[2], string.format('%.0f', token))
    end
    return 1
end

redis.register_function{function_name = 'lease_renew', callback = lease_renew, flags = {'allow-oom'},
    description = 'the owner of the lease of a feed keeps it, or learns that it is lost'}
