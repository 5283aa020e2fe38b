-- Lines that continue the one before (indented ones, "Caused by:") are joined with it, for each file apart. A line waits for the next one of its
-- file, in whichever batch that comes, up to `hold_age`: 5s is enough.
hold = true

local continues = sluice.re.compile([[^(\s|Caused by:|\.\.\. \d+ more)]])

function transform(r, meta)
  local source = meta.path or "all"
  if meta.held(source) > 0 and continues:find(sluice.text(r)) then return meta.hold(source) end
  local before = meta.release(source)
  meta.hold(source)
  if #before > 0 then return table.concat(before, "\n") end
end

function finish(source, lines)
  return table.concat(lines, "\n")
end
