-- Outrider: nobody but its plugins tells upstream who calls. This runs before every other plugin, on every route, and
-- takes off what downstream sent under the names of these headers, also written with _ for -. What they ask of every
-- request is kept here in one piece, in the place of a call for each.
-- A pre-function of your own on a route or a service would take the place of this one there.
local identity = {
--NAMES
}

-- Kong takes every header off that Connection names, once all plugins are through: also those that they have set.
local of_connections = { ["close"] = true, ["keep-alive"] = true, ["upgrade"] = true, ["te"] = true,
  ["http2-settings"] = true }

-- nginx reads no further.
local most = 1000

local function refuse(status, message)
  kong.response.exit(status, { message = message, request_id = ngx.var.kong_request_id })
end

return function()
  -- Upstream may read these as slashes, and then find another path than the one that chose the plugins.
  local path = ngx.var.request_uri:match("^[^?]*"):lower()
  if path:find("%2f", 1, true) or path:find("%5c", 1, true) or path:find("\\", 1, true) then
    refuse(400, "The request is malformed")
  end
  local headers = kong.request.get_headers(most)
  local connection = headers["connection"] or ""
  for option in (type(connection) == "table" and table.concat(connection, ",") or connection):gmatch("[^,%s]+") do
    if not of_connections[option:lower()] then
      refuse(400, "The request is malformed")
    end
  end
  local count = 0
  for name, values in pairs(headers) do
    count = count + (type(values) == "table" and #values or 1)
    local dashed = name:lower():gsub("_", "-")
    if identity[dashed] then
      kong.service.request.clear_header(name)
    end
  end
  if count >= most then
    refuse(431, "The headers are too large")
  end
  local route, service = kong.router.get_route() or {}, kong.router.get_service() or {}
  kong.ctx.shared.outrider_request = table.concat({
    ngx.var.kong_request_id,
    kong.request.get_method(),
    kong.request.get_scheme(),
    kong.client.get_forwarded_ip(),
    kong.request.get_host(),
    service.name or service.id or "",
    route.name or route.id or "",
    table.concat(route.tags or {}, ","),
    ngx.var.request_uri,
  }, "\n")
end
