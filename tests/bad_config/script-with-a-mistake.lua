function transform(record)
  return record record
end
