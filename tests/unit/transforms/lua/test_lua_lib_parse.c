/* Parsers, addresses and redaction at their edges; what is usual stands in transforms/README.md and is tested there. */
#include "tests/unit/transforms/lua/lua_lib_rig.h"

static void run(const char *chunk)
{
    struct lua_lib_rig r;

    lua_lib_rig_open(&r, 16 << 20);
    lua_lib_rig_run(&r, "function same(got, want) if got ~= want then\n"
                        "  error('got ' .. tostring(got) .. ', want ' .. tostring(want), 2) end end");
    lua_lib_rig_run(&r, chunk);
    lua_lib_rig_close(&r);
}

static void pairs_with_quotes_that_do_not_end(void **state)
{
    (void)state;
    run("local p = sluice.parse.logfmt\n"
        "same(p('a=\"open b=2').a, '\"open') same(p('a=\"open b=2').b, '2')\n"
        "same(p('a=\"x\"y').a, '\"x\"y') same(p('a=').a, '') same(next(p('=v')), nil) same(next(p('')), nil)\n"
        "same(p('a=1 a=2').a, '2') same(p([[m=\"tab\\tend\"]]).m, 'tab\\tend')\n"
        "local kv = sluice.parse.kv('a = 1 , b = 2', { between_pairs = ',' })\n"
        "same(kv.a, '1') same(kv.b, '2') same(p('a= b=2').a, '')");
}

static void csv_rows_and_ends(void **state)
{
    (void)state;
    run("local rows = sluice.parse.csv('a,b\\r\\n\"x\\ny\",\\n\\n1,2', { rows = true })\n"
        "same(#rows, 4) same(rows[1][2], 'b') same(rows[2][1], 'x\\ny') same(rows[2][2], '') same(#rows[3], 1)\n"
        "same(rows[4][2], '2') same(#sluice.parse.csv(''), 0) same(#sluice.parse.csv('', { rows = true }), 0)\n"
        "same(#sluice.parse.csv('a\\n'), 1) same(#sluice.parse.csv('a,'), 2)\n"
        "same(select(2, sluice.parse.csv('a\\nb')), 'csv: more than one row; ask for `rows`')\n"
        "same(select(2, sluice.parse.csv('\"a\"b')), 'csv: text behind a closing quote')\n"
        "same(sluice.parse.csv('1,2,3', { columns = { 'x', 'y' } })[3], '3')");
}

static void lines_of_web_servers(void **state)
{
    (void)state;
    run("local a = sluice.parse.apache\n"
        "local l = a('::1 - - [t] \"GET /\\\\\"x HTTP/1.0\" 304 -\\n')\n"
        "same(l.path, '/\\\\\"x') same(l.bytes, nil) same(l.status, 304) same(l.user, nil)\n"
        "l = a('h - - [t] \"\\\\x16\\\\x03\" 400 0 \"-\" \"-\"')\n"
        "same(l.method, nil) same(l.request, '\\\\x16\\\\x03') same(l.agent, nil)\n"
        "same(a('h - - [t] \"GET /\" 200'), nil) same(a('h - - [t] \"GET /\" 2x0 1'), nil) same(a(''), nil)\n"
        "same(a('h - - [t] \"GET / HTTP/1.1\" 200 1 \"r\" \"a\" \"extra\"').agent, 'a')");
}

static void lines_of_syslog(void **state)
{
    (void)state;
    run("local s = sluice.parse.syslog\n"
        "local l = s('<34>1 2003-10-11T22:14:15.003Z m.example su - ID47 - \\xef\\xbb\\xbf\\'su root\\' failed')\n"
        "same(l.facility, 'auth') same(l.severity, 'crit') same(l.proc_id, nil) same(l.data, nil)\n"
        "same(l.message, '\\'su root\\' failed')\n"
        "l = s('<13>1 - - - - - [a x=\"1\\\\\"2\\\\]\" y=\"\"][b]')\n"
        "same(l.data.a.x, '1\"2]') same(l.data.a.y, '') same(next(l.data.b), nil) same(l.message, '')\n"
        "l = s('<0>Feb  5 17:32:18 10.0.0.99 Use the BFG!')\n"
        "same(l.host, '10.0.0.99') same(l.app, nil) same(l.message, 'Use the BFG!') same(l.facility, 'kern')\n"
        "same(s('Jun 14 15:16:01 combo sshd(pam_unix)[19939]: check pass').app, 'sshd(pam_unix)')\n"
        "for _, bad in ipairs { '', '<', '<192>1 - - - - - -', '<13>1 - - - - - [a x=1]', '<13>1 - - - - - [a',\n"
        "    '<13>1 - - - -', 'hello', '<>Feb  5 17:32:18 h x' } do same(s(bad), nil) end");
}

static void addresses_in_all_their_spellings(void **state)
{
    (void)state;
    run("local ip = sluice.ip\n"
        "for _, bad in ipairs { '', '1.2.3', '1.2.3.256', '01.2.3.4', '1.2.3.4 ', ':::', '1::2::3', 'fe80::1%eth0',\n"
        "    '[::1]', '1.2.3.4\\0' } do same(ip.parse(bad), nil) end\n"
        "same(ip.parse('0:0:0:0:0:0:0:1').text, '::1') same(ip.parse('::1').scope, 'loopback')\n"
        "same(ip.parse('::ffff:10.0.0.1').scope, 'private') same(ip.parse('8.8.8.8').scope, 'global')\n"
        "same(ip.within('::ffff:10.0.0.1', '10.0.0.0/8'), true) same(ip.within('10.0.0.1', '::/0'), false)\n"
        "same(ip.within('1.2.3.4', '0.0.0.0/0'), true) same(ip.within('10.0.0.1', '10.0.0.1'), true)\n"
        "same(ip.within('10.0.0.2', '10.0.0.3/31'), true) same(ip.within('10.0.0.4', '10.0.0.3/31'), false)\n"
        "same(ip.mask('2001:db8:1:2:3::4', 48), '2001:db8:1::') same(ip.mask('1.2.3.4', 0), '0.0.0.0')\n"
        "same(ip.mask('1.2.3.4', 32), '1.2.3.4') same(ip.mask('1.2.3.4', 9), '1.0.0.0')");
}

static void urls_by_part(void **state)
{
    (void)state;
    run("local u = sluice.parse.url\n"
        "same(u('http://a:b@h:80').port, 80) same(u('http://a:b@h:80').password, 'b') same(u('mailto:x@y').path, "
        "'x@y')\n"
        "same(u('/p?a&b=%zz&a=2').params.a, '2') same(u('/p?a&b=%zz').params.b, '%zz') same(u('/p').host, nil)\n"
        "same(u('http://h:99999/'), nil) same(u('http://[::1'), nil) same(u('http://h/ x'), nil) same(u(''), nil)\n"
        "same(u('http://h:x/'), nil) same(u('//h/p').host, 'h') same(u('file:///etc/x').host, '')");
}

static void what_looks_like_a_secret_but_is_none_stays(void **state)
{
    (void)state;
    run("local function stays(s) local t, n = sluice.redact(s) same(t, s) same(n, 0) end\n"
        "stays('user@localhost') stays('a@b.c1') stays('1234567890123456') stays('2025-06-01 12:00:00.000 4111')\n"
        "stays('41111111111111111111111') stays('Basic auth') stays('') stays('@@@@')\n"
        "local function goes(s, want) same((sluice.redact(s)), want) end\n"
        "goes('<a.b+c@x.example.org>', '<[email]>') goes('4111-1111-1111-1111.', '[card].')\n"
        "goes('378282246310005', '[card]') goes('id=AKIAIOSFODNN7EXAMPLE', 'id=[token]')\n"
        "goes('t ghp_' .. ('a'):rep(36), 't [token]') goes('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln', '[token]')\n"
        "goes('authorization: basic dXNlcjpwYXNz', 'authorization: basic [token]')\n"
        "goes('a@b.example,c@d.example', '[email],[email]')");
}

/* Visa, Amex, Mastercard, Diners, UnionPay of 19 digits, and each with what stands around cards. */
static void cards_among_other_digits_go(void **state)
{
    (void)state;
    run("local CARDS = {\n"
        "  '4111111111111111', '4111 1111 1111 1111', '4111-1111-1111-1111', '4111.1111.1111.1111',\n"
        "  '4111\\xc2\\xa01111\\xc2\\xa01111\\xc2\\xa01111', '4111\\u{2011}1111\\u{2011}1111\\u{2011}1111',\n"
        "  '41111111 11111111', '378282246310005', '3782 822463 10005', '3782-822463-10005',\n"
        "  '5555 5555 5555 4444', '30569309025904', '3056 930902 5904', '6205500000000000004',\n"
        "  '6205 5000 0000 0000 004', '620550 0000000000004', '4222222222222', '4222 222 222 222' }\n"
        "local BEHIND = { '', ' 12/27', ' 1227', ' 12 27', ' 12-27', ' 123', ' 1227 123', ' 12/27 123', ' 100.00', ' "
        "100',\n"
        "  ' 1,234.56', ', 5', '.', '. 25 items', '\\n12/27', '\\n', '\\\\n12', '\\\"', '\\\", \\\"cvv\\\": 123', "
        "'=27121010000012345678?',\n"
        "  '^DOE/JOHN^2712', '|12|2027|123', ';', '/12', '_1', ' 6011 0009 9013 9424', '  1227', '\\t123' }\n"
        "local BEFORE = { '', '12 ', '77 ', '2025-06-01 ', '2025-06-01 12:00:00 ', '10.50 ', 'card ', 'card=', 'card: "
        "',\n"
        "  '{\\\"pan\\\":\\\"', '{\\\"pan\\\":', '\\\\n', 'x\\n', '%B', ';', 'pan_', '#1 ', '(', '1, ', '0.5 ', 'No.', "
        "'100-' }\n"
        "for _, card in ipairs(CARDS) do for _, b in ipairs(BEFORE) do for _, a in ipairs(BEHIND) do\n"
        "  local text = sluice.redact(b .. card .. a)\n"
        "  local digits = card:gsub('%D', '')\n"
        "  local left = text:gsub('%D', '')\n"
        "  if left:find(digits:sub(1, 9), 1, true) or left:find(digits:sub(-9), 1, true) then\n"
        "    error(b .. card .. a .. ' became ' .. text) end\n"
        "  if not text:find('[card]', 1, true) then error(b .. card .. a .. ' became ' .. text) end\n"
        "end end end\n"
        "local function goes(s, want) same((sluice.redact(s)), want) end\n"
        "goes('4111 1111 1111 1111 12/27', '[card] 12/27')\n"
        "goes('4111 1111 1111 1111 100.00', '[card] 100.00')\n"
        "goes('4111111111111111 1227 123', '[card] 1227 123')\n"
        "goes('12 4111111111111111', '12 [card]')\n"
        "goes('2025-06-01 3782 822463 10005 1234', '2025-06-01 [card] 1234')\n"
        "goes('4111 1111 1111 1111 5555 5555 5555 4444', '[card] [card]')\n"
        "goes('4111111111111111,5555555555554444', '[card],[card]')\n"
        "goes('1 2 3 4 5 6 7 8 9 10 4111 1111 1111 1111', '1 2 3 4 5 6 7 8 9 10 [card]')\n"
        "goes('{\"a\":\"\\\\n4111 1111 1111 1111\"}', '{\"a\":\"\\\\n[card]\"}')\n");
}

static void digits_that_are_no_card_stay(void **state)
{
    (void)state;
    run("local function stays(s) local t, n = sluice.redact(s) same(t, s) same(n, 0) end\n"
        "stays('4111 1111 1111 1112 12/27')\n"
        "stays('0.4111111111111111')\n"
        "stays('x4111111111111111')\n"
        "stays('4111111111111111x')\n"
        "stays('550e8400-e29b-41d4-a716-446655440000')\n"
        "stays('41111111111111114111')\n"
        "stays('2025-06-01 12 00 00')\n"
        "stays('1.2.3.4 5.6.7.8 9.10.11.12')\n"
        "stays('41 111 11111 11111 1 2 3 4 5')\n");
}

static void addresses_and_tokens_beside_other_things_go(void **state)
{
    (void)state;
    run("local function goes(s, want) same((sluice.redact(s)), want) end\n"
        "goes('{\"m\":\"a\\\\nann@example.com\"}', '{\"m\":\"a\\\\n[email]\"}')\n"
        "goes('{\"m\":\"\\\\tAKIAIOSFODNN7EXAMPLE\"}', '{\"m\":\"\\\\t[token]\"}')\n"
        "goes('ann@example.com.', '[email].')\n"
        "goes('ann@example.com.12', '[email].12')\n"
        "goes('<ann@example.com>,<bob@example.org>', '<[email]>,<[email]>')\n"
        "goes('1111 2222 3333 44@example.com', '1111 2222 3333 [email]')\n"
        "goes('4111111111111111@example.com', '[email]')\n"
        "goes('4111 1111 1111 1111@example.com', '[card]@example.com')\n"
        "goes('corp\\\\ann@example.com', 'corp\\\\[email]')\n"
        "goes('AKIAIOSFODNN7EXAMPLE,AKIAIOSFODNN7EXAMPLE', '[token],[token]')\n");
}

static void a_share_is_near_its_rate(void **state)
{
    (void)state;
    run("local n, both = 0, 0\n"
        "for i = 1, 20000 do\n"
        "  if sluice.sample(0.1, 'key' .. i) then n = n + 1 if sluice.sample(0.2, 'key' .. i) then both = both + 1 end "
        "end\n"
        "end\n"
        "assert(n > 1800 and n < 2200, n) same(both, n)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_with_quotes_that_do_not_end),
        cmocka_unit_test(csv_rows_and_ends),
        cmocka_unit_test(lines_of_web_servers),
        cmocka_unit_test(lines_of_syslog),
        cmocka_unit_test(addresses_in_all_their_spellings),
        cmocka_unit_test(urls_by_part),
        cmocka_unit_test(what_looks_like_a_secret_but_is_none_stays),
        cmocka_unit_test(cards_among_other_digits_go),
        cmocka_unit_test(digits_that_are_no_card_stay),
        cmocka_unit_test(addresses_and_tokens_beside_other_things_go),
        cmocka_unit_test(a_share_is_near_its_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
