-- Keeps which circuits are open, for those that come later, and tells those that
-- listen. op publish: a field, a state, how many milliseconds it is kept, and who
-- says so. op list: all that are kept.
local key, op = KEYS[1], ARGV[1]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function last(text) return tonumber(string.match(text, '^(%d+) ')) or 0 end

local kept, left = {}, 0
local fields = redis.call('HGETALL', key)
for i = 1, #fields, 2 do
  if last(fields[i + 1]) <= now then
    redis.call('HDEL', key, fields[i])
  else
    kept[#kept + 1] = fields[i + 1]
    left = math.max(left, last(fields[i + 1]) - now)
  end
end
if op == 'list' then return kept end

local channel, field, state, lasts, from = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local text = string.format('%.0f', now + lasts) .. ' ' .. from .. ' ' .. state .. ' ' .. field
redis.call('HSET', key, field, text)
redis.call('PEXPIRE', key, math.ceil(math.max(left, lasts)))
redis.call('PUBLISH', channel, text)
return kept
