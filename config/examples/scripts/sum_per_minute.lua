-- One record for each minute and service, with how many requests there were and how long they took in all. What is held is the sum, so a
-- minute costs some bytes, however many records it has; it is handed over when `hold_age` is over: 90s leaves half a minute for latecomers.
hold = true

function transform(r, meta)
  local name = r.service .. " " .. r.time:sub(1, 16)
  local sum = sluice.json.decode(meta.release(name)[1] or '{"requests":0,"ms":0}')
  sum.requests, sum.ms = sum.requests + 1, sum.ms + r.ms
  return meta.hold(name, sluice.json.encode(sum))
end

function finish(name, held)
  local sum = sluice.json.decode(held[1])
  local service, minute = name:match("^(.*) (%S+)$")
  return { service = service, minute = minute, requests = sum.requests, ms = sum.ms }
end
