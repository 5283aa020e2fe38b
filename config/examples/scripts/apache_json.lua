-- Lines of an access log (Apache or nginx, common or combined format) become JSON.
function transform(r)
  local line, why = sluice.parse.apache(r.raw)
  if not line then error(why) end
  line.time = sluice.time.format(sluice.time.parse(line.time, "%d/%b/%Y:%H:%M:%S %z"))
  return line
end
