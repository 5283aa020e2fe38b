-- Gives each record its tenant as a partition key: what is a field in one program is part of the path in another.
function transform(r, meta)
  local tenant = r.tenant or (r.path and r.path:match("^/t/([%w-]+)/"))
  meta.partition_keys.tenant = tenant or "unknown"
  return r
end
