-- statsd lines with tags, several of them in a record perhaps, become one JSON record each:
-- requests:3|c|@0.1|#env:prod,slow
local KINDS = { c = "counter", g = "gauge", ms = "timer", h = "histogram", s = "set" }
local metric = sluice.re.compile([[^(?<name>[^:|]+):(?<value>[^|]+)\|(?<kind>[a-z]+)(\|@(?<rate>[\d.]+))?(\|\#(?<tags>.*))?$]])

local function tags_of(text)
  local tags = {}
  for tag in text:gmatch("[^,]+") do
    local key, value = tag:match("^(.-):(.*)$")
    tags[key or tag] = value or true
  end
  return tags
end

function transform(r, meta)
  local out = {}
  for line in r.raw:gmatch("[^\n]+") do
    local m = metric:match(line)
    local kind = m and KINDS[m.kind]
    if not kind then error("not a statsd metric") end
    out[#out + 1] = {
      name = m.name,
      kind = kind,
      value = kind == "set" and m.value or tonumber(m.value),
      rate = m.rate and tonumber(m.rate),
      tags = m.tags and tags_of(m.tags),
      time = sluice.time.format(math.floor(meta.arrival * 1000 + 0.5)),
    }
  end
  return out
end
