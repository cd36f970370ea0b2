-- KEYS: stream. ARGV: group, owner, then ids.
-- Returns those ids that are pending with that owner.
local owned = {}
for at = 3, #ARGV do
    if count_of(KEYS[1], ARGV[1], ARGV[at], ARGV[2]) then
        owned[#owned + 1] = ARGV[at]
    end
end
return failure or owned
