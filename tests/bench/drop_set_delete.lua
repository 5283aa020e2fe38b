-- The script of the benchmark: drop by one field, set one, delete one.
function transform(r)
  if r.level == "DEBUG" then return nil end
  r.env = "prod"
  r.session = nil
  return r
end
