-- Counts what replicas grant, by the second of the server's clock. Each limit is
-- a hash: the field '*' holds what all were granted, and each replica's field
-- its own part. A row is a second and, for each of the last seconds, requests
-- and tokens; second s lies at s % seconds.
local seconds = 61
local width = 1 + 2 * seconds
local format = '>' .. string.rep('d', width)
local op, me = ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local now = tonumber(clock[1])

local function parse(raw)
  if raw and #raw == 8 * width then
    local row = {struct.unpack(format, raw)}
    row[width + 1] = nil -- where unpack stopped
    return row
  end
  local row = {now}
  for i = 2, width do row[i] = 0 end
  return row
end

-- If the clock has gone back, seconds go on from the newest that there was.
local function turn(row)
  now = math.max(now, row[1])
  for s = math.max(row[1] + 1, now - seconds + 1), now do
    row[2 + s % seconds], row[2 + seconds + s % seconds] = 0, 0
  end
  row[1] = now
  return row
end

local function load(key, field) return turn(parse(redis.call('HGET', key, field))) end

local function save(key, field, row)
  local raw = struct.pack(format, unpack(row, 1, width))
  redis.call('HSET', key, field, raw)
  return raw
end

local function total(row, first)
  local sum = 0
  for i = first, first + seconds - 1 do sum = sum + row[i] end
  return sum
end

-- After how many seconds an amount fits below a limit, 0 for now. More than the
-- limit passes when nothing else counts.
local function wait(row, first, limit, n)
  if limit <= 0 then return 0 end
  local over = total(row, first) + math.min(n, limit) - limit
  if over <= 0 then return 0 end
  for s = row[1] - seconds + 1, row[1] do
    over = over - row[first + s % seconds]
    if over <= 0 then return s + seconds - row[1] end
  end
  return seconds
end

-- Adds to a second; what comes too late for it counts now if it is more.
local function add(row, second, requests, tokens)
  if second > row[1] then second = row[1] end
  if second <= row[1] - seconds then
    second, requests, tokens = row[1], math.max(requests, 0), math.max(tokens, 0)
  end
  local r, t = 2 + second % seconds, 2 + seconds + second % seconds
  row[r], row[t] = math.max(row[r] + requests, 0), math.max(row[t] + tokens, 0)
end

local function keep(key) redis.call('EXPIRE', key, 2 * seconds) end

-- reserve: of each key the limits and what is asked for, requests and tokens.
local function reserve()
  local rows, longest, which, nothing = {}, 0, '', true
  for k, key in ipairs(KEYS) do
    local a = 4 * k - 1
    local row = load(key, '*')
    rows[k] = row
    local requests, tokens = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
    if requests > 0 or tokens > 0 then nothing = false end
    local w = wait(row, 2, tonumber(ARGV[a]), requests)
    if w > longest then longest, which = w, 'requests' end
    w = wait(row, 2 + seconds, tonumber(ARGV[a + 1]), tokens)
    if w > longest then longest, which = w, 'tokens' end
  end
  local granted = longest == 0 and not nothing
  local reply = {granted and 1 or 0, clock[1], clock[2], rows[1][1], longest, which}
  for k, key in ipairs(KEYS) do
    local a = 4 * k - 1
    if granted then
      local mine = load(key, me)
      add(rows[k], rows[k][1], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]))
      add(mine, rows[k][1], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]))
      save(key, me, mine)
      reply[6 + k] = save(key, '*', rows[k])
      keep(key)
    else
      reply[6 + k] = struct.pack(format, unpack(rows[k], 1, width))
    end
  end
  return reply
end

-- adjust: seconds, and what is to be added to them.
local function adjust()
  local all, mine = load(KEYS[1], '*'), load(KEYS[1], me)
  for a = 3, #ARGV, 3 do
    add(all, tonumber(ARGV[a]), tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]))
    add(mine, tonumber(ARGV[a]), tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]))
  end
  save(KEYS[1], '*', all)
  save(KEYS[1], me, mine)
  keep(KEYS[1])
  return redis.status_reply('OK')
end

-- replace: a row that is put in the place of the replica's own. The rows of those
-- that are gone are dropped.
local function replace()
  local key = KEYS[1]
  local all, mine, given = load(key, '*'), load(key, me), parse(ARGV[3])
  for s = given[1], now + 1, -1 do -- its clock was taken to be further on
    local r, t = 2 + s % seconds, 2 + seconds + s % seconds
    local requests, tokens = given[r], given[t]
    given[r], given[t] = 0, 0
    local r0, t0 = 2 + now % seconds, 2 + seconds + now % seconds
    given[r0], given[t0] = given[r0] + requests, given[t0] + tokens
    given[1] = s - 1
  end
  turn(given)
  for s = now - seconds + 1, now do
    local r, t = 2 + s % seconds, 2 + seconds + s % seconds
    all[r] = math.max(all[r] + given[r] - mine[r], 0)
    all[t] = math.max(all[t] + given[t] - mine[t], 0)
  end
  save(key, '*', all)
  save(key, me, given)
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    if parse(fields[i + 1])[1] <= now - seconds then redis.call('HDEL', key, fields[i]) end
  end
  keep(key)
  return redis.status_reply('OK')
end

if op == 'reserve' then return reserve() end
if op == 'adjust' then return adjust() end
if op == 'replace' then return replace() end
return redis.error_reply('unknown operation ' .. op)
