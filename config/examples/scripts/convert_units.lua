-- Every device has its own units; the store has one each. Which field is what stands in the configuration:
--
--     config: { temperature: f_to_c, uptime_ms: ms_to_s, disk: bytes_to_gib }
local CONVERT = {
  f_to_c = function(x) return (x - 32) * 5 / 9 end,
  ms_to_s = function(x) return x / 1000 end,
  bytes_to_gib = function(x) return x / 2 ^ 30 end,
  mph_to_ms = function(x) return x * 0.44704 end,
}
local fields

function init(config)
  fields = config
  for field, how in pairs(fields) do
    if not CONVERT[how] then error("field " .. field .. ": no such conversion: " .. tostring(how)) end
  end
end

function transform(r)
  for field, how in pairs(fields) do
    if type(r[field]) == "number" then
      r[field] = math.floor(CONVERT[how](r[field]) * 1000 + 0.5) / 1000
    end
  end
  return r
end
