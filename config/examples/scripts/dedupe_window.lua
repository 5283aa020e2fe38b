-- The same event within the window is kept once. `single` gives the script one memory for the whole stream; it starts
-- empty with the process, so after a restart an event can come a second time.
single = true

local window, seen, before, turned = 60, {}, {}, nil

function init(config)
  window = config.seconds or window
end

-- Two tables take turns, so that forgetting costs nothing: an id stays for one to two windows.
local function turn(now)
  if turned and now - turned < window then return end
  before, seen = turned and now - turned < 2 * window and seen or {}, {}
  turned = now
end

function transform(r, meta)
  turn(meta.arrival)
  local last = seen[r.id] or before[r.id]
  seen[r.id] = meta.arrival
  if last and meta.arrival - last < window then
    return meta.drop("duplicate")
  end
  return r
end
