-- Load balancers ask every few seconds whether we are alive; when the answer was yes, nobody wants to keep it.
local PATHS = { ["/healthz"] = true, ["/livez"] = true, ["/readyz"] = true, ["/ping"] = true }

function transform(r, meta)
  if PATHS[r.path] and r.status < 400 then
    return meta.drop("health check")
  end
  return r
end
