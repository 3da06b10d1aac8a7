-- Counts all charges of one request, or none of them: the algorithms of this folder, with the same operations on
-- doubles in the same order, on the server's clock.
-- KEYS: one for each charge. ARGV: '1' if they are owed, else '0'; then for each charge the kind and the three numbers
-- of its rule, and its cost. Returns the moment in microseconds, 1 or 0 for whether they were counted, and all states.

local time = redis.call('TIME')
local moment = time[1] * 1000000 + time[2]

local function advanced(kind, since, count, before, limit, length)
  if kind == 'gcra' then
    -- `limit` is the capacity, `length` the drain.
    local elapsed = moment - since
    if elapsed >= 0 then
      return moment, elapsed >= count / length and 0 or count - elapsed * length, 0
    end
    if -elapsed <= math.ceil(limit / length) then
      return since, count, before
    end
    return moment, 0, 0
  end
  if moment < since and since <= moment + 2 * length then
    return since, count, before
  end
  local ends = moment - moment % length + length
  return ends, 0, kind == 'sliding' and since + length == ends and count or 0
end

local function used(kind, since, count, before, length)
  if kind == 'sliding' then
    return math.ceil(before * (since - moment) / length) + count
  end
  return count
end

local function lasts(kind, since, count, length)
  if kind == 'gcra' then
    return since + math.ceil(count / length)
  end
  return kind == 'sliding' and since + length or since
end

local passed, charges = true, {}
for place, text in ipairs(redis.call('MGET', unpack(KEYS))) do
  local kind, limit, length, unit, cost = unpack(ARGV, 5 * place - 3, 5 * place + 1)
  limit, length, cost = tonumber(limit), tonumber(length), tonumber(cost)
  if kind == 'gcra' then
    cost = cost * unit
  end
  local since, count, before = 0, 0, 0
  if text then
    since, count, before = string.match(text, '^(%d+) (%d+) (%d+)$')
    since, count, before = tonumber(since), tonumber(count), tonumber(before)
  end
  since, count, before = advanced(kind, since, count, before, limit, length)
  passed = passed and (ARGV[1] == '1' or used(kind, since, count, before, length) + cost <= limit)
  charges[place] = {kind, since, count, before, cost, length, limit}
end

local answer = {string.format('%.0f %d', moment, passed and 1 or 0)}
for place, charge in ipairs(charges) do
  local kind, since, count, before, cost, length, limit = unpack(charge)
  if passed then
    count = math.min(count + cost, kind == 'gcra' and 100 * limit or 9007199254740991, 9007199254740991)
  end
  local text = string.format('%.0f %.0f %.0f', since, count, before)
  if passed then
    -- A first write that is refused, for lack of memory or in a replica, ends the script with nothing written.
    -- A millisecond more: the server's own clock for this leaves the rest of one out.
    local left = math.ceil((lasts(kind, since, count, length) - moment) / 1000) + 1
    redis.call('SET', KEYS[place], text, 'PX', left)
  end
  answer[place + 1] = text
end
return table.concat(answer, ' ')
