-- Errors are kept, of the rest one trace in ten: all its records or none, wherever and whenever they come.
local rate

function init(config)
  rate = config.rate or 0.1
end

function transform(r, meta)
  if r.level == "ERROR" or sluice.sample(rate, r.trace_id) then
    return r
  end
  return meta.drop("not sampled")
end
