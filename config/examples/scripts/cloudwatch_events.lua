-- What CloudWatch Logs sends is gzipped, with many events in each record. `decompress` unpacks it and makes one record
-- of each event; what is left to do is to name the fields as everybody else does.
--
--     transform:
--       - decompress: { cloudwatch_logs: events }
--       - lua: cloudwatch_events.lua
function transform(r)
  return {
    time = sluice.time.format(r.timestamp),
    group = r.logGroup,
    source = r.logStream,
    message = r.message,
  }
end
