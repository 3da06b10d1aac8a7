-- Outrider: kong-pdk drops the event of a request with bytes that are no UTF-8, and what waited for it waits for ever.
-- On these routes such a request is refused before it.
-- A pre-function of your own on a route or a service would take the place of this one there.
local plugins = {
--ROUTES
}

-- RFC 3629, section 4.
local sequences = {
  "^[\194-\223][\128-\191]()",
  "^\224[\160-\191][\128-\191]()",
  "^[\225-\236\238\239][\128-\191][\128-\191]()",
  "^\237[\128-\159][\128-\191]()",
  "^\240[\144-\191][\128-\191][\128-\191]()",
  "^[\241-\243][\128-\191][\128-\191][\128-\191]()",
  "^\244[\128-\143][\128-\191][\128-\191]()",
}

local function after(text, at)
  for _, sequence in ipairs(sequences) do
    local behind = text:match(sequence, at)
    if behind then
      return behind
    end
  end
end

local function is_text(bytes)
  local at = bytes:find("[\128-\255]")
  while at do
    at = after(bytes, at)
    if not at then
      return false
    end
    at = bytes:find("[\128-\255]", at)
  end
  return true
end

local function are_text(headers)
  for name, values in pairs(headers) do
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      if not is_text(name) or type(value) == "string" and not is_text(value) then
        return false
      end
    end
  end
  return true
end

return function()
  local route = kong.router.get_route()
  if not (route and route.name and plugins[route.name]) then
    return
  end
  if not is_text(ngx.var.request_uri) or not are_text(kong.request.get_headers(1000)) then
    kong.response.exit(400, { message = "The request is not UTF-8", request_id = ngx.var.kong_request_id })
  end
end
