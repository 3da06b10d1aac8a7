-- Outrider: the headers that its plugins want on the response, whatever answers. They take the place of what upstream
-- or Kong sent under these names.
-- A post-function of your own on a route or a service would take the place of this one there.
return function()
  local reply = kong.ctx.shared.outrider_reply
  if type(reply) ~= "table" then
    return
  end
  for name, values in pairs(reply) do
    kong.response.set_header(name, values)
  end
end
