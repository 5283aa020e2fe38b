-- Adds what a CSV table knows of the record's host. Scripts open no files, so the table is one that `require` reads:
-- hosts_csv.lua is the CSV between two lines of Lua. Short lists can also stand in `transform.config`.
local rows = sluice.parse.csv(require "hosts_csv", { rows = true })
local head, hosts = rows[1], {}

for i = 2, #rows do
  hosts[rows[i][1]] = rows[i]
end

function transform(r)
  local row = hosts[r.host]
  for i = 2, row and #head or 0 do
    r[head[i]] = row[i]
  end
  return r
end
