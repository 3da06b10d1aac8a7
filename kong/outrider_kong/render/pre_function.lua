-- Outrider: nobody but its plugins tells upstream who calls. This runs before every other plugin, on every route, and
-- takes off what downstream sent under the names of these headers, also written with _ for -. What they ask of every
-- request is kept here in one piece, in the place of a call for each.
-- A pre-function of your own on a route or a service would take the place of this one there.
local identity = {
--NAMES
}

-- nginx reads no further.
local most = 1000

return function()
  local headers = kong.request.get_headers(most)
  local count = 0
  for name, values in pairs(headers) do
    count = count + (type(values) == "table" and #values or 1)
    local dashed = name:lower():gsub("_", "-")
    if identity[dashed] then
      kong.service.request.clear_header(name)
    end
  end
  if count >= most then
    kong.response.exit(431, { message = "The headers are too large", request_id = ngx.var.kong_request_id })
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
