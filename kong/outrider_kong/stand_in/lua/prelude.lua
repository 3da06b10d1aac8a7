-- Builds what a function of pre-function or post-function finds around it: `kong`, `ngx` and the sandbox's globals.
-- `host` holds what Python offers; call(name, count, arguments) gives a tag, then a value or an error's text.
local host = ...

local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield

-- A reply ends the function as in Kong: its coroutine is left suspended, and no pcall can catch that.
local function invoke(name, ...)
  local tag, value = host.call(name, select("#", ...), { ... })
  if tag == "exit" then
    yield()
  elseif tag == "error" then
    error(value, 3)
  end
  return value
end

local insensitive = {
  __index = function(headers, name)
    return type(name) == "string" and rawget(headers, (name:lower():gsub("_", "-"))) or nil
  end,
}

local function offered(name)
  if name:find("get_headers$") then
    return function(...)
      return setmetatable(invoke(name, ...), insensitive)
    end
  end
  return function(...)
    return invoke(name, ...)
  end
end

local kong = { version = "3.9.1" }
for _, name in ipairs(host.names) do
  local owner = kong
  for part in name:gmatch("([^.]+)%.") do
    if part ~= "kong" then
      owner[part] = owner[part] or {}
      owner = owner[part]
    end
  end
  owner[name:match("[^.]+$")] = offered(name)
end
setmetatable(kong.log, { __call = function(_, ...) return kong.log.notice(...) end })

local function proxy(get, set)
  return setmetatable({}, {
    __index = function(_, key) return invoke(get, key) end,
    __newindex = function(_, key, value) invoke(set, key, value) end,
  })
end

kong.ctx = { shared = proxy("kong.ctx.shared.get", "kong.ctx.shared.set") }

local function set_header(name, value)
  if value == nil then
    return kong.response.clear_header(name)
  end
  return kong.response.set_header(name, value)
end

local ngx = {
  OK = 0, ERROR = -1, AGAIN = -2, DONE = -4, DECLINED = -5, null = host.null,
  HTTP_OK = 200, HTTP_BAD_REQUEST = 400, HTTP_UNAUTHORIZED = 401, HTTP_FORBIDDEN = 403, HTTP_NOT_FOUND = 404,
  HTTP_INTERNAL_SERVER_ERROR = 500, HTTP_SERVICE_UNAVAILABLE = 503,
  STDERR = 0, EMERG = 1, ALERT = 2, CRIT = 3, ERR = 4, WARN = 5, NOTICE = 6, INFO = 7, DEBUG = 8,
  ctx = proxy("kong.nginx.get_ctx", "kong.nginx.set_ctx"),
  var = setmetatable({}, {
    __index = function(_, name) return invoke("kong.nginx.get_var", name) end,
    __newindex = function(_, name) error("the stand-in sets no nginx variable: " .. tostring(name), 2) end,
  }),
  header = setmetatable({}, {
    __index = function(_, name) return kong.response.get_headers(1000)[name] end,
    __newindex = function(_, name, value) set_header(name, value) end,
  }),
  req = {
    get_headers = kong.request.get_headers,
    get_method = kong.request.get_method,
    get_uri_args = kong.request.get_query,
    http_version = kong.request.get_http_version,
    set_header = kong.service.request.set_header,
    clear_header = kong.service.request.clear_header,
    start_time = kong.nginx.req_start_time,
  },
  resp = {
    get_headers = kong.response.get_headers,
    add_header = kong.response.add_header,
  },
  exit = function(code)
    if code >= 200 then
      kong.response.exit(code)
    end
  end,
}
for name, f in pairs(host.functions) do
  ngx[name] = f
end
ngx.log = function(level, ...)
  local names = { "alert", "crit", "crit", "err", "warn", "notice", "info", "debug" }
  kong.log[names[level] or "err"](...)
end
setmetatable(ngx, {
  __index = function(_, name)
    if name == "status" then
      return kong.response.get_status()
    elseif name == "headers_sent" then
      return false
    end
  end,
  __newindex = function(_, name, value)
    if name ~= "status" then
      error("ngx." .. tostring(name) .. " can't be set", 2)
    end
    kong.response.set_status(value)
  end,
})

-- All that code which is not trusted gets of Lua itself.
local allowed = [[
  _VERSION assert error ipairs next pairs pcall select tonumber tostring type unpack xpcall
  coroutine.create coroutine.resume coroutine.running coroutine.status coroutine.wrap coroutine.yield
  math.abs math.acos math.asin math.atan math.atan2 math.ceil math.cos math.cosh math.deg math.exp math.fmod
  math.floor math.frexp math.huge math.ldexp math.log math.log10 math.max math.min math.modf math.pi math.pow math.rad
  math.random math.sin math.sinh math.sqrt math.tan math.tanh
  os.clock os.date os.difftime os.time
  string.byte string.char string.find string.format string.gmatch string.gsub string.len string.lower string.match
  string.rep string.reverse string.sub string.upper
  table.concat table.insert table.maxn table.remove table.sort
]]
local base = {}
for name in allowed:gmatch("%S+") do
  local module, member = name:match("(.+)%.(.+)")
  if module then
    base[module] = base[module] or {}
    base[module][member] = _G[module][member]
  else
    base[name] = _G[name]
  end
end

local function protected(module, name)
  return setmetatable({}, {
    __index = module,
    __newindex = function(_, key) error("Can not modify " .. name .. "." .. key .. ". Protected by the sandbox.") end,
  })
end

local function environment()
  local env = { kong = kong, ngx = ngx }
  for name, value in pairs(base) do
    env[name] = type(value) == "table" and protected(value, name) or value
  end
  env.require = function(name)
    error("require '" .. tostring(name) .. "' not allowed within sandbox")
  end
  env._G = env
  return env
end

-- The first run of a chunk may return the function that is meant; that one runs at once, and alone from then on.
local function compile(code)
  local chunk, message = load(code, "=function", "t", environment())
  if not chunk then
    return nil, message
  end
  local first = true
  local function run()
    if not first then
      return chunk()
    end
    first = false
    local result = chunk()
    if type(result) == "function" then
      chunk = result
      chunk()
    end
  end
  return run, ""
end

local function run(f)
  local thread = create(f)
  repeat
    local ok, message = resume(thread)
    if not ok then
      return tostring(message)
    end
  until status(thread) == "dead" or host.left()
end

return compile, run
