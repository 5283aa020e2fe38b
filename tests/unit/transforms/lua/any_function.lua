-- Calls every function that a script can reach with arguments of all kinds, at random, until its time is over. The
-- record is the seed: the same record does the same. For test_lua_guard.c.
local FUNCTIONS, NAMES, seen = {}, {}, {}
local function collect(t, name)
  if seen[t] then return end
  seen[t] = true
  for k, v in pairs(t) do
    if type(v) == 'function' then FUNCTIONS[#FUNCTIONS + 1] = v NAMES[v] = name .. k
    elseif type(v) == 'table' then collect(v, name .. k .. '.') end
  end
end
collect(_G, '')
table.sort(FUNCTIONS, function(a, b) return NAMES[a] < NAMES[b] end)
local function list(n, v) local t = {} for i = 1, n do t[i] = v end return t end
local endless = setmetatable({}, {__len = function() return 1 << 60 end, __index = function(t, i) return 'x' end})
local MAKE = {
  function() return ('a'):rep(1000000) end, function() return ('\0'):rep(1000000) end,
  function() return (' '):rep(1000000) end, function() return ('1'):rep(1000000) end,
  function() return ('%1'):rep(400000) end, function() return ('[' .. ('b'):rep(400000) .. ']') end,
  function() return ('.-'):rep(100) .. 'z' end, function() return ('a*'):rep(20) .. 'b' end,
  function() return ('(a|b)*'):rep(10) .. 'c' end, function() return ('"\\'):rep(300000) end,
  function() return ('a="b\\" '):rep(100000) end, function() return ('[{"a":'):rep(100) end,
  function() return '[' .. ('1,'):rep(200000) .. '1]' end, function() return ('\x80'):rep(1000000) end,
  function() return ('\u{10FFFF}'):rep(200000) end, function() return ('4111 1111 1111 1112 '):rep(50000) end,
  function() return ('a@b.c '):rep(100000) end, function() return ('%s'):rep(30000) end,
  function() return ('%{IP} '):rep(1000) end, function() return 'i16z' .. ('s'):rep(60000) end,
  function() return '' end, function() return 'x' end, function() return '=' end, function() return '%d' end,
  function() return 0 end, function() return -1 end, function() return 3 end, function() return 1 << 62 end,
  function() return math.mininteger end, function() return 2^53 end, function() return -0.5 end,
  function() return 0/0 end, function() return 1/0 end, function() return true end, function() return nil end,
  function() return {} end, function() return endless end, function() return list(50000, 'x') end,
  function() return list(50000, 1) end, function() return list(3, {}) end,
  function() local t = {} t.t = t return t end, function() return setmetatable({}, {__mode = 'v'}) end,
  function() return function() return 'x' end end, function() return function() while true do end end end,
  function() return string.rep end, function() return pcall end, function() return print end,
  function() return coroutine.create(function() while true do coroutine.yield(1) end end) end,
  function() return coroutine.wrap(function() error('x') end) end,
  function() return {kinds = {'card'}, with = ('x'):rep(100000), columns = {'a'}, rows = true} end,
}
function transform(r, meta)
  local seed = math.tointeger(tonumber(r.raw))
  local function random(n) seed = (seed * 1103515245 + 12345) & 0x7fffffff return (seed >> 8) % n + 1 end
  local values = {r, meta}
  for i = 1, 6 do values[#values + 1] = MAKE[random(#MAKE)]() end
  while true do
    local f = FUNCTIONS[random(#FUNCTIONS)]
    LAST = NAMES[f] -- for whoever looks why one does not end
    local function any() return values[random(8)] end
    local n = random(5)
    if n == 1 then pcall(f, any()) elseif n == 2 then pcall(f, any(), any())
    elseif n == 3 then pcall(f, any(), any(), any()) elseif n == 4 then pcall(f, any(), any(), any(), any())
    else for a in any, any(), any() do break end end
  end
end
