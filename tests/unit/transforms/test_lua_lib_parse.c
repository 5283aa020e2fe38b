/* Parsers, addresses and redaction at their edges; what is usual stands in transforms/README.md and is tested there. */
#include "tests/unit/transforms/lua_lib_rig.h"

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
        cmocka_unit_test(a_share_is_near_its_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
