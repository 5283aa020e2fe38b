-- Different programs, different names for the same things. Values are moved, not touched: they keep their digits.
--
--     config: { names: [ [lvl, level], [severity, level], [msg, message] ] }
local names

function init(config)
  names = config.names
end

function transform(r)
  for _, pair in ipairs(names) do
    local old, new = pair[1], pair[2]
    if r[new] == nil then r[new] = r[old] end
    r[old] = nil
  end
  return r
end
