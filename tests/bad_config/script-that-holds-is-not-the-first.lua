hold = true
function transform(r, meta)
  return meta.hold("all")
end
