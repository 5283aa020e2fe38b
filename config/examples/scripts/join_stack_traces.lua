-- Lines that continue the one before (indented ones, "Caused by:") are joined with it, for each file apart. A trace that
-- the end of a batch cuts becomes two records; a larger `buffer` makes that rarer.
local continues = sluice.re.compile([[^(\s|Caused by:|\.\.\. \d+ more)]])

function batch(records, meta)
  local out, open = {}, {}            -- open: by file, the place in `out` of the event that may go on
  for i, r in ipairs(records) do
    local source = meta[i].path or ""
    local at = open[source]
    if at and continues:find(r.raw) then
      out[at] = out[at] .. "\n" .. r.raw
    else
      out[#out + 1] = r
      open[source] = #out
    end
  end
  return out
end
