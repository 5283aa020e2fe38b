-- A message that comes again and again is one record, with how often it came in the time of `hold_age` (10s, say) from the first one on.
hold = true

function transform(r, meta)
  local text = r.message
  local name = sluice.hash.sha256(text)
  local before = meta.release(name)[1]
  local count = before and tonumber(before:match("^%d+")) or 0
  return meta.hold(name, (count + 1) .. " " .. text)
end

function finish(name, held)
  local count, text = held[1]:match("^(%d+) (.*)$")
  return { message = text, count = tonumber(count) }
end
