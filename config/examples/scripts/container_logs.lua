-- Container logs as containerd and CRI-O write them, `TIME stdout|stderr P|F TEXT`, become JSON; the file's path says whose they are. A line of
-- more than 16 KiB comes in parts, which carry `partial`, but for the last.
local line = sluice.re.compile([[^(?<time>\S+) (?<stream>stdout|stderr) (?<tag>[PF]) (?<text>.*)$]])
local place = sluice.re.compile([[/pods/(?<namespace>[^/_]+)_(?<pod>[^/_]+)_[^/]+/(?<container>[^/]+)/]])

function transform(r, meta)
  local part = line:match(r.raw)
  if not part then return r end
  local whose = place:match(meta.path or "") or {}
  return { time = part.time, stream = part.stream, log = part.text, partial = part.tag == "P" or nil,
           namespace = whose.namespace, pod = whose.pod, container = whose.container }
end
