-- Outrider: the same for upstream's response, on the routes whose plugins look at it.
local plugins = {
--ROUTES
}

return function()
  local route = kong.router.get_route()
  local plugin = route and route.name and plugins[route.name]
  -- Upgraded connections have no response phase, and neither has what Kong or a plugin answered.
  if not plugin or kong.response.get_source() ~= "service" or (ngx.var.upstream_upgrade or "") ~= "" then
    return
  end
  local id = ngx.var.kong_request_id
  if kong.ctx.shared["outrider_guard:" .. plugin .. ":response"] ~= id .. " " .. route.name then
    for name in pairs(kong.response.get_headers(1000)) do
      kong.response.clear_header(name)
    end
    kong.response.exit(503, { message = "The response could not be checked", request_id = id })
  end
end
