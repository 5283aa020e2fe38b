-- Who it was does not belong into logs: e-mail addresses, card numbers and tokens in the message are replaced, the
-- address loses its last part, and the user becomes a pseudonym, the same one every time.
--
--     transform: { lua: mask_pii.lua, config: { key: "${file:pseudonyms.key}" } }
local key

function init(config)
  key = config.key
end

function transform(r)
  if r.message then r.message = sluice.redact(r.message) end
  if r.ip then r.ip = sluice.ip.mask(r.ip, 24) end
  if r.user then r.user = sluice.hash.hmac_sha256(key, r.user):sub(1, 16) end
  return r
end
