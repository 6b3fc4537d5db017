-- lease_release: the owner gives its lease back, so that the next one need not wait for it to expire.
--
-- KEYS  1 lease:{FEED}   2 lease:{FEED}:token   3 lease:{FEED}:released   (see lease_acquire)
-- ARGV  1 owner   2 token
-- Returns 1, or 0 when it was lost before; then nothing changes.
-- Errors  BADARG; BADDATA when the lease holds something else; WRONGTYPE.

local function lease_release(keys, args)
    expect(keys, 3, args, 2, 2, 'lease_release lease:{FEED} lease:{FEED}:token lease:{FEED}:released owner token')
    local owner, token = args[1], integer(args[2], 'token', 1, LARGEST_TOKEN)
    local held = lease_of(keys[1])
    if is_fenced(keys[1], keys[2], token) or (held and held.owner ~= owner) then
        return 0
    end
    local text = string.format('%.0f', token)
    redis.call('SET', keys[2], text)
    redis.call('SET', keys[3], text)
    redis.call('DEL', keys[1])
    return 1
end

redis.register_function{function_name = 'lease_release', callback = lease_release, flags = {'allow-oom'},
    description = 'the owner of the lease of a feed gives it back'}
