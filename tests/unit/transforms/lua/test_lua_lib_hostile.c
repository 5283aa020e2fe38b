/* The library against bad data and bad scripts: bytes of any kind, patterns and texts made for each other, memory that
 * runs out, wrong arguments. */
#include "tests/unit/transforms/lua/lua_lib_rig.h"

#include <stdio.h>
#include <string.h>

/* Is the error what says that the time is over? */
static void assert_ends_in_time(const char *chunk)
{
    struct lua_lib_rig r;
    nsec began = clock_mono(), limit = 50 * NSEC_PER_MSEC;

    lua_lib_rig_open(&r, 64 << 20);
    assert_int_not_equal(lua_lib_rig_try(&r, chunk, limit), LUA_OK);
    if (!r.guard.aborted)
        fail_msg("ended otherwise: %s", lua_tostring(r.L, -1));
    assert_true(clock_mono() - began < 20 * NSEC_PER_SEC); /* minutes or years without the limit, also when busy */
    lua_lib_rig_close(&r);
}

static void a_pattern_quadratic_in_the_text_meets_the_time_limit(void **state)
{
    (void)state;
    assert_ends_in_time("return sluice.re.match(('a'):rep(8000000), [[\\w+@]])");
    assert_ends_in_time("return sluice.re.match(('a'):rep(8000000), [[\\w+@]], 'u')");
    assert_ends_in_time("sluice.re.compile([[a*b]]):replace(('a'):rep(8000000), 'x')");
}

static void many_starts_that_each_go_back_and_forth_meet_the_time_limit(void **state)
{
    (void)state;
    assert_ends_in_time("while true do sluice.re.match(('a'):rep(1000), '(?:a|a){16}[bc]') end");
    assert_ends_in_time("while true do sluice.re.match(('a'):rep(100000), '(?:a?){14}[bc]') end");
}

static void quotes_that_never_close_meet_the_time_limit(void **state)
{
    (void)state;
    assert_ends_in_time("sluice.parse.kv(('a\\\\\" '):rep(3000000), {between_key_and_value = '\\\\'})");
    assert_ends_in_time("while true do sluice.parse.user_agent(('Mozilla/5.0 (Androi'):rep(500000)) end");
}

static void catastrophic_backtracking_is_given_up(void **state)
{
    struct lua_lib_rig r;

    (void)state;
    lua_lib_rig_open(&r, 64 << 20);
    lua_lib_rig_run(&r, "local t, why = sluice.re.match(('a'):rep(40) .. '!', '^(?:(a+)+)+$')\n"
                        "assert(t == nil and why:find('gave up'), tostring(why))");
    lua_lib_rig_close(&r);
}

static void deep_recursion_of_a_pattern_is_bounded(void **state)
{
    struct lua_lib_rig r;

    (void)state;
    lua_lib_rig_open(&r, 64 << 20);
    lua_lib_rig_run(&r, "local t, why = sluice.re.match(('('):rep(200000), [[(\\((?1)*\\))]])\n"
                        "assert(t == nil)");
    lua_lib_rig_close(&r);
}

static void wrong_patterns_raise_and_say_where(void **state)
{
    struct lua_lib_rig r;

    (void)state;
    lua_lib_rig_open(&r, 64 << 20);
    lua_lib_rig_run(
        &r, "local function raises(want, f, ...)\n"
            "  local ok, why = pcall(f, ...)\n"
            "  assert(not ok and tostring(why):find(want, 1, true), tostring(why))\n"
            "end\n"
            "raises('missing closing parenthesis at byte 3', sluice.re.compile, 'a(')\n"
            "raises('flags are the letters', sluice.re.compile, 'a', 'q')\n"
            "raises('names no group', function() sluice.re.compile('a'):replace('a', '$1') end)\n"
            "raises('returned a table', function() sluice.re.compile('a'):replace('a', function() return {} end) end)\n"
            "raises('string expected', sluice.re.compile)\n"
            "raises('there is no pattern `NOPE`', sluice.grok, '%{NOPE}')\n"
            "raises('contains itself', sluice.grok, '%{A}', { A = '%{A}' })\n"
            "raises('without `}`', sluice.grok, '%{A')\n"
            "raises('is not int', sluice.grok, '%{INT:a:long}')\n"
            "raises('expression grows', sluice.grok, '%{A}', { A = ('%{B}'):rep(9), B = ('%{C}'):rep(9),\n"
            "  C = ('%{D}'):rep(9), D = ('%{E}'):rep(9), E = ('%{IPV6}'):rep(9) })\n"
            "raises('a rate is between', sluice.sample, 2, 'k')\n"
            "raises('not a network', sluice.ip.within, '1.2.3.4', '10.0.0.0/33')\n"
            "raises('IANA', sluice.time.parse, '1', '%s', '../../etc/passwd')\n"
            "raises('means nothing', sluice.time.format, 0, '%Q')\n"
            "raises('kinds are', sluice.redact, 'x', { kinds = { 'phone' } })\n"
            "raises('the limit is', sluice.gunzip, 'x', 0)\n"
            "raises('one character', sluice.parse.csv, 'x', { separator = '::' })\n"
            "raises('is empty', sluice.parse.kv, 'x', { between_pairs = '' })\n");
    lua_lib_rig_close(&r);
}

static void patterns_are_counted_to_the_scripts_memory(void **state)
{
    struct lua_lib_rig r;
    size_t before;

    (void)state;
    lua_lib_rig_open(&r, 4 << 20);
    lua_gc(r.L, LUA_GCCOLLECT);
    before = r.guard.used;
    /* Many one after the other are fine: the collector is asked before giving up. */
    lua_lib_rig_run(&r, "for i = 1, 2000 do sluice.re.compile('(x' .. i .. '|[a-z]+){1,20}') end");
    lua_gc(r.L, LUA_GCCOLLECT);
    lua_gc(r.L, LUA_GCCOLLECT);
    assert_true(r.guard.used < before + (64 << 10));
    lua_lib_rig_run(&r, "local keep = {}\n"
                        "local ok, why = pcall(function()\n"
                        "  for i = 1, 100000 do keep[i] = sluice.re.compile('(x' .. i .. '|[a-z]+){1,20}') end\n"
                        "end)\n"
                        "assert(not ok and why:find('memory'), tostring(why))");
    assert_true(r.guard.used <= r.guard.memory_max);
    lua_lib_rig_close(&r);
    assert_int_equal(r.guard.used, 0);
}

static void a_zip_bomb_ends_at_the_limit(void **state)
{
    struct lua_lib_rig r;

    (void)state;
    lua_lib_rig_open(&r, 64 << 20);
    /* 5 bytes that say "hello"; the limit is the scripts'. */
    lua_lib_rig_run(&r, "local z = sluice.base64.decode('H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==')\n"
                        "assert(sluice.gunzip(z, 5) == 'hello')\n"
                        "local t, why = sluice.gunzip(z, 4)\n"
                        "assert(t == nil and why == 'gzip: holds more than the limit of 4 bytes', why)");
    lua_lib_rig_close(&r);
}

static void a_function_may_use_the_regex_that_calls_it(void **state)
{
    struct lua_lib_rig r;

    (void)state;
    lua_lib_rig_open(&r, 64 << 20);
    lua_lib_rig_run(&r, "local re = sluice.re.compile('[a-z]+')\n"
                        "local t, n = re:replace('ab cd ef', function(m) return re:match('zzzz')[0] .. #m[0] end)\n"
                        "assert(t == 'zzzz2 zzzz2 zzzz2' and n == 3, t)\n"
                        "assert(sluice.re.compile('x*'):replace('axb', '-') == '-a--b-')");
    lua_lib_rig_close(&r);
}

/* Pieces that parsers look for, put together without sense; the same row of them in every run. */
static const char FUZZ[] =
    "local PIECES = { '<165>1 ', '-', ' ', '[', ']', '\"', '\\\\', '=', '&', '%', '%41', '+', ':', '://', '@', '/', "
    "'?',\n"
    "  '#', ',', ';', '\\n', '\\r\\n', '\\0', '\\xff\\xef\\xbb\\xbf', 'a', 'key', '12', '2025-06-01T12:00:00', 'Z', "
    "'.', '5',\n"
    "  'Oct 11 22:14:15 ', 'host ', 'app[1]: ', '10/Oct/2025:13:55:36 +0000', 'GET / HTTP/1.1', ' 200 ', "
    "'4111111111111111',\n"
    "  'a@b.example', 'Bearer ', 'eyJhbGciOi.', 'Mozilla/5.0 (', 'Android ', 'Chrome/1.', '::', '1.2.3.4', '/24', "
    "'\\x1f\\x8b\\x08' }\n"
    "local PATTERNS = { '%F', '%T', '%b %e %T', '%d/%b/%Y:%H:%M:%S %z', '%s', '%I:%M %p', '%j %Y', '%y%m%d' }\n"
    "local grok = { sluice.grok('%{COMBINEDAPACHELOG}'), sluice.grok('%{SYSLOGLINE}'), "
    "sluice.grok('%{URI:u}|%{PATH:p}'),\n"
    "  sluice.grok('%{TIMESTAMP_ISO8601:t} %{LOGLEVEL:l}'), sluice.grok('%{IP:i:int}'), "
    "sluice.grok('%{HTTPD_ERRORLOG}') }\n"
    "local seed = 42\n"
    "local function random(n) seed = (seed * 1103515245 + 12345) & 0x7fffffff return (seed >> 8) % n + 1 end\n"
    "for i = 1, 20000 do\n"
    "  local t = {}\n"
    "  for k = 1, random(12) do t[k] = PIECES[random(#PIECES)] end\n"
    "  local s = table.concat(t)\n"
    "  for _, f in pairs(sluice.parse) do f(s) end\n"
    "  sluice.parse.csv(s, { rows = true, columns = { 'a', 'b' }, separator = ';' })\n"
    "  sluice.parse.kv(s, { between_pairs = '&', between_key_and_value = ':' })\n"
    "  sluice.ip.parse(s) sluice.ip.within(s, '1.0.0.0/8') sluice.redact(s) sluice.gunzip(s) sluice.base64.decode(s)\n"
    "  sluice.time.parse(s) sluice.time.parse(s, PATTERNS[random(#PATTERNS)], 'Europe/Berlin', 1700000000000)\n"
    "  grok[random(#grok)](s)\n"
    "  assert(sluice.base64.decode(sluice.base64.encode(s)) == s)\n"
    "end\n";

static void no_data_crashes_or_raises(void **state)
{
    struct lua_lib_rig r;

    (void)state;
    lua_lib_rig_open(&r, 64 << 20);
    lua_lib_rig_run(&r, FUZZ);
    lua_lib_rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_quadratic_in_the_text_meets_the_time_limit),
        cmocka_unit_test(many_starts_that_each_go_back_and_forth_meet_the_time_limit),
        cmocka_unit_test(quotes_that_never_close_meet_the_time_limit),
        cmocka_unit_test(catastrophic_backtracking_is_given_up),
        cmocka_unit_test(deep_recursion_of_a_pattern_is_bounded),
        cmocka_unit_test(wrong_patterns_raise_and_say_where),
        cmocka_unit_test(patterns_are_counted_to_the_scripts_memory),
        cmocka_unit_test(a_zip_bomb_ends_at_the_limit),
        cmocka_unit_test(a_function_may_use_the_regex_that_calls_it),
        cmocka_unit_test(no_data_crashes_or_raises),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
