-- syslog lines, old (RFC 3164) and new (RFC 5424), become JSON with one kind of time. Old lines have no year: the one
-- that brings them nearest to their arrival is taken.
function transform(r, meta)
  local line, why = sluice.parse.syslog(r.raw)
  if not line then error(why) end
  local ms = sluice.time.parse(line.time) or
             sluice.time.parse(line.time, "%b %e %T", "UTC", math.floor(meta.arrival * 1000 + 0.5))
  line.time = ms and sluice.time.format(ms)
  return line
end
