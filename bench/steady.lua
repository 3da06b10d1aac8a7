-- Requests at a steady rate over all connections, however long the answers take: RATE a second, and a FILE with a
-- bearer token in each line, of which each request has the next.
local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, nanoseconds; } moment; int clock_gettime(int, moment *);")
local moment = ffi.new("moment")
local MONOTONIC = 1
-- So many milliseconds of what a stall has held up are made up for.
local BEHIND = 1000

local function now()
   ffi.C.clock_gettime(MONOTONIC, moment)
   return tonumber(moment.seconds) * 1e3 + tonumber(moment.nanoseconds) / 1e6
end

local interval, due, requests, turn

function init(arguments)
   interval, requests, turn = 1e3 / tonumber(arguments[1]), {}, 0
   for token in io.lines(arguments[2]) do
      requests[#requests + 1] = wrk.format(nil, nil, { authorization = "Bearer " .. token })
   end
   due = now()
end

function delay()
   local at = now()
   due = math.max(due + interval, at - BEHIND)
   return math.max(0, math.floor(due - at + 0.5))
end

function request()
   turn = turn % #requests + 1
   return requests[turn]
end
