-- Log shippers hang everything they know of a pod below `kubernetes`. Flat fields are easier to search:
-- {"log":"x","kubernetes":{"labels":{"app":"web"}}} becomes {"log":"x","kubernetes_labels_app":"web"}.
local function flatten(record, prefix, object)
  for key, value in pairs(object) do
    local name = prefix .. "_" .. key:gsub("[^%w]", "_")
    if type(value) == "userdata" and tostring(value):sub(1, 1) == "{" then
      flatten(record, name, value)
    else
      record[name] = value
    end
  end
end

function transform(r)
  if r.kubernetes then
    flatten(r, "kubernetes", r.kubernetes)
    r.kubernetes = nil
  end
  return r
end
