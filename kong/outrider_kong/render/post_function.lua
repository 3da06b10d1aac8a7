-- Outrider: the headers that its plugins want on the response, whatever answers. They take the place of what upstream
-- or Kong sent under these names.
-- A post-function of your own on a route or a service would take the place of this one there.
local of_the_refusal = { ["content-type"] = true, ["content-length"] = true, ["connection"] = true, ["date"] = true,
  ["server"] = true, ["www-authenticate"] = true }

return function()
  if kong.response.get_header("x-outrider-refused") then
    -- Kong keeps the headers of a response that a refusal takes the place of.
    for name in pairs(kong.response.get_headers(1000)) do
      if not of_the_refusal[name:lower()] then
        kong.response.clear_header(name)
      end
    end
  end
  local reply = kong.ctx.shared.outrider_reply
  if type(reply) ~= "table" then
    return
  end
  for name, values in pairs(reply) do
    kong.response.set_header(name, values)
  end
end
