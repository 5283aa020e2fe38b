-- Container logs as containerd and CRI-O write them, `TIME stdout|stderr P|F TEXT`: a line of more than 16 KiB, which comes in parts, is one
-- record, wherever a batch ends between them. What has no end within `hold_age` goes on as it is.
hold = true

local line = sluice.re.compile([[^(\S+ (stdout|stderr)) ([PF]) (.*)$]])

function transform(r, meta)
  local m = line:match(sluice.text(r))
  if not m then return r end
  local name = m[2] .. " " .. (meta.path or "")
  if m[3] == "P" then return meta.hold(name, meta.held(name) > 0 and m[4] or m[1] .. " F " .. m[4]) end
  local parts = meta.release(name)
  if #parts == 0 then return r end
  return table.concat(parts) .. m[4]
end

function finish(name, parts)
  return table.concat(parts)
end
