-- Says that a replica is there, and which others have said so. What was sent too
-- long ago, and lay somewhere on its way, says nothing.
local key, me = KEYS[1], ARGV[1]
local sent, late, lapse = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
if sent < 0 then
  redis.call('HDEL', key, me)
elseif now - sent <= late then
  redis.call('HSET', key, me, string.format('%.0f', now))
end
local reply = {string.format('%.0f', now)}
local fields = redis.call('HGETALL', key)
for i = 1, #fields, 2 do
  if now - tonumber(fields[i + 1]) > lapse then
    redis.call('HDEL', key, fields[i])
  else
    reply[#reply + 1] = fields[i]
    reply[#reply + 1] = fields[i + 1]
  end
end
redis.call('PEXPIRE', key, math.ceil(2 * lapse / 1000))
return reply
