-- Outrider: with kong-pdk, a request goes on whose plugin did not answer. On these routes it does not: at the end of
-- its request phase the plugin leaves the request's id and the route that it was checked for.
-- A post-function of your own on a route or a service would take the place of this one there.
local plugins = {
--ROUTES
}

return function()
  local route = kong.router.get_route()
  local plugin = route and route.name and plugins[route.name]
  if not plugin then
    return
  end
  local id = ngx.var.kong_request_id
  if kong.ctx.shared["outrider_guard:" .. plugin] ~= id .. " " .. route.name then
    kong.response.exit(503, { message = "The request could not be checked", request_id = id })
  end
end
