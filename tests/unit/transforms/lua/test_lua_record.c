/* What a script sees of a record, and what of the record stays as it was: to the byte. */
#include "tests/unit/transforms/lua/lua_rig.h"

static void what_is_not_touched_stays_to_the_byte(void **state)
{
    static const char odd[] = " { \"a\" :\t1 , \"b\":[ 1 ,2 ], \"a\":2.50, \"\\u0063\" : \"\\u00e9\\/\" ,\"n\":-0 } ";

    (void)state;
    BODY("return r", odd, " { \"a\" :\t1 , \"b\":[ 1 ,2 ], \"a\":2.50, \"\\u0063\" : \"\\u00e9\\/\" ,\"n\":-0 } \n");
    BODY("local x = r.b[1] .. r.c return r", odd,
         " { \"a\" :\t1 , \"b\":[ 1 ,2 ], \"a\":2.50, \"\\u0063\" : \"\\u00e9\\/\" ,\"n\":-0 } \n");
    BODY("r.b[2] = 3 return r", odd,
         " { \"a\" :\t1 , \"b\":[ 1 ,3 ], \"a\":2.50, \"\\u0063\" : \"\\u00e9\\/\" ,\"n\":-0 } \n");
    BODY("r.new = true return r", odd,
         " { \"a\" :\t1 , \"b\":[ 1 ,2 ], \"a\":2.50, \"\\u0063\" : \"\\u00e9\\/\" ,\"n\":-0,\"new\":true } \n");
    BODY("r.c = nil return r", odd, " { \"a\" :\t1 , \"b\":[ 1 ,2 ], \"a\":2.50 ,\"n\":-0 } \n");
}

static void numbers_keep_their_digits_unless_changed(void **state)
{
    static const char numbers[] =
        "{\"a\":9223372036854775808,\"b\":1e400,\"c\":0.1,\"d\":-0,\"e\":1.0,\"f\":-9223372036854775808,"
        "\"g\":123456789012345678901234567890123456789012345678901234567890,\"h\":1E+2}";

    (void)state;
    BODY("for k, v in pairs(r) do r[k] = v end return r", numbers,
         "{\"a\":9223372036854775808,\"b\":1e400,\"c\":0.1,\"d\":-0,\"e\":1.0,\"f\":-9223372036854775808,"
         "\"g\":123456789012345678901234567890123456789012345678901234567890,\"h\":1E+2}\n");
    BODY("local t = {} for k, v in pairs(r) do t[#t + 1] = math.type(v) .. ' ' .. v end return table.concat(t, ',')",
         numbers,
         "float 9.2233720368548e+18,float inf,float 0.1,float -0.0,float 1.0,integer -9223372036854775808,"
         "float 1.2345678901235e+59,float 100.0\n");
    BODY("r.a = 5 r.b = 0.1 r.c = 1e300 r.d = 2^53 r.e = 1/3 r.f = math.mininteger r.g = -0.0 r.h = 3.0 return r",
         numbers,
         "{\"a\":5,\"b\":0.1,\"c\":1e+300,\"d\":9007199254740992.0,\"e\":0.3333333333333333,\"f\":-9223372036854775808,"
         "\"g\":-0.0,\"h\":3.0}\n");
    BODY("r.e = 1 return r", "{\"e\":1.0}", "{\"e\":1}\n");
    BODY("r.a = 0/0", numbers, "! Lua.FunctionError: t.lua:2: JSON has no way to write nan\n");
    BODY("r.a = -math.huge", numbers, "! Lua.FunctionError: t.lua:2: JSON has no way to write inf\n");
}

static void of_duplicate_keys_the_last_counts(void **state)
{
    (void)state;
    BODY("return tostring(r.a)", "{\"a\":1,\"b\":2,\"a\":3}", "3\n");
    BODY("local t = {} for k, v in pairs(r) do t[#t + 1] = k .. v end return table.concat(t, ',')",
         "{\"a\":1,\"b\":2,\"a\":3}", "b2,a3\n");
    BODY("r.b = 9 return r", "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":1,\"b\":9,\"a\":3}\n");
    BODY("r.a = 9 return r", "{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":9}\n");
    BODY("r.a = nil return r", "{\"a\":1,\"b\":2,\"\\u0061\":3}", "{\"b\":2}\n");
    BODY("r.a = nil r.a = 1 return r", "{\"a\":1,\"a\":3}", "{\"a\":1}\n");
}

static void null_is_a_value_and_absent_is_nil(void **state)
{
    (void)state;
    BODY("return tostring(r.a == sluice.null) .. tostring(r.b) .. tostring(r.a)", "{\"a\":null}", "truenilnull\n");
    BODY("r.b = sluice.null return r", "{\"a\":null}", "{\"a\":null,\"b\":null}\n");
    BODY("if r.a then return 'true in conditions' end", "{\"a\":null}", "true in conditions\n");
}

static void empty_arrays_and_objects_stay_apart(void **state)
{
    (void)state;
    BODY("r.c = r.a r.d = r.b return r", "{\"a\":[],\"b\":{}}", "{\"a\":[],\"b\":{},\"c\":[],\"d\":{}}\n");
    BODY("local t = sluice.copy(r) r.c = t.a r.d = t.b return r", "{\"a\":[],\"b\":{}}",
         "{\"a\":[],\"b\":{},\"c\":[],\"d\":{}}\n");
    BODY("r.c = {} r.d = sluice.array() r.e = sluice.array{1} return r", "{}", "{\"c\":{},\"d\":[],\"e\":[1]}\n");
    BODY("r.a[1] = 'x' r.b.x = 'y' return r", "{\"a\":[],\"b\":{ }}", "{\"a\":[\"x\"],\"b\":{\"x\":\"y\" }}\n");
}

static void strings_are_bytes_with_escapes_undone(void **state)
{
    (void)state;
    BODY("return r.s", "{\"s\":\"a\\n\\\"\\u00e9\\ud83d\\ude00\\\\\"}", "a\n\"\xc3\xa9\xf0\x9f\x98\x80\\\n");
    BODY("return r.s", "{\"s\":\"\\ud83d\"}", "\xef\xbf\xbd\n");
    BODY("r.s = r.s return r", "{\"s\":\"\\u00e9\\/\"}", "{\"s\":\"\\u00e9\\/\"}\n");
    BODY("r.s = 'a\"\\\\\\n\\1\\xff' return r", "{\"s\":1}", "{\"s\":\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\"}\n");
    BODY("r['k\"\\n'] = 1 return r", "{}", "{\"k\\\"\\n\":1}\n");
    BODY("return tostring(#r['a\\0b'])", "{\"a\\u0000b\":\"\\u0000\\u0000\"}", "2\n");
}

static void keys_are_compared_decoded(void **state)
{
    (void)state;
    BODY("return r.level", "{\"\\u006cevel\":\"x\"}", "x\n");
    BODY("r.level = 'y' return r", "{\"\\u006cevel\" : \"x\"}", "{\"\\u006cevel\" : \"y\"}\n");
    BODY("return tostring(r[''])", "{\"\":7}", "7\n");
}

static void what_is_no_object_is_raw(void **state)
{
    (void)state;
    BODY("return r.raw:upper()", "plain text", "PLAIN TEXT\n");
    BODY("return sluice.text(r):upper()", "plain text", "PLAIN TEXT\n");
    BODY("return sluice.text(r)", "{\"a\" : 1}", "{\"a\" : 1}\n");
    BODY("r.a = 2 return sluice.text(r) .. '|' .. tostring(r)", " {\"a\" : 1} ", " {\"a\" : 2} | {\"a\" : 2} \n");
    BODY("return r.raw", "{\"raw\":\"a field\"}", "a field\n");
    BODY("return tostring(r.raw)", "{\"a\":1}", "nil\n");
    BODY("return r.raw .. r[2]", "[1, \"two\"]", "[1, \"two\"]two\n");
    BODY("return #r .. r.raw", "x", "1x\n");
    BODY("return 'is ' .. r", "text", "is text\n");
    BODY("return r.level", "plain text", "! Lua.FunctionError: t.lua:2: the record is not a JSON object (at byte 0)\n");
    BODY("r.level = 1", "42", "! Lua.FunctionError: t.lua:2: the record is not a JSON object (at byte 0)\n");
    BODY("for k in pairs(r) do end", "", "! Lua.FunctionError: t.lua:2: the record is not a JSON object (at byte 0)\n");
}

static void broken_json_fails_only_when_a_field_is_asked_for(void **state)
{
    (void)state;
    BODY("return r", "{\"a\":1,}", "{\"a\":1,}\n");
    BODY("return r.raw", "{\"a\":1,}", "{\"a\":1,}\n");
    BODY("return r.a", "{\"a\":1,}", "! Lua.FunctionError: t.lua:2: expected a member's name in quotes (at byte 7)\n");
    BODY("return r.a", "{\"a\":\"\xff\"}", "! Lua.FunctionError: t.lua:2: invalid UTF-8 in a string (at byte 6)\n");
    BODY("return r.a", "{\"a\":1} x", "! Lua.FunctionError: t.lua:2: something follows the document (at byte 8)\n");
    BODY("return r.a", "{\"a\":1", "! Lua.FunctionError: t.lua:2: unexpected end (at byte 6)\n");
}

static void arrays_are_sequences_without_holes(void **state)
{
    (void)state;
    BODY("r.a[4] = 4 r.a[1] = 'x' return r", "{\"a\":[1, 2, 3]}", "{\"a\":[\"x\", 2, 3,4]}\n");
    BODY("r.a[3] = nil return r", "{\"a\":[1, 2, 3]}", "{\"a\":[1, 2]}\n");
    BODY("r.a[3] = nil r.a[2] = nil r.a[2] = 'z' return r", "{\"a\":[1, 2, 3]}", "{\"a\":[1, \"z\"]}\n");
    BODY("table.remove(r.a, 1) table.insert(r.a, 1, 'x') table.insert(r.a, 'y') return r", "{\"a\":[1, 2, 3]}",
         "{\"a\":[\"x\", 2, 3,\"y\"]}\n");
    BODY("table.sort(r.a) return table.concat(r.a, '') .. #r.a", "{\"a\":[3, 1, 2]}", "1233\n");
    BODY("local s = 0 for i, v in ipairs(r.a) do s = s + i * v end return tostring(s)", "{\"a\":[3, 1, 2]}", "11\n");
    BODY("local s = 0 for i, v in pairs(r.a) do s = s + i * v end return tostring(s)", "{\"a\":[3, 1, 2]}", "11\n");
    BODY("return tostring(r.a[0]) .. tostring(r.a[4]) .. tostring(r.a.x) .. tostring(r.a[1.5])", "{\"a\":[1, 2, 3]}",
         "nilnilnilnil\n");
    BODY("r.a[5] = 1", "{\"a\":[1, 2, 3]}",
         "! Lua.FunctionError: t.lua:2: a JSON array has no holes: set 1 to #a + 1, and remove the last element only "
         "(or "
         "use table.remove, or sluice.null)\n");
    BODY("r.a[1] = nil", "{\"a\":[1, 2, 3]}",
         "! Lua.FunctionError: t.lua:2: a JSON array has no holes: set 1 to #a + 1, and remove the last element only "
         "(or "
         "use table.remove, or sluice.null)\n");
    BODY("r.a.x = 1", "{\"a\":[]}", "! Lua.FunctionError: t.lua:2: an element of a JSON array is set by its number\n");
    BODY("r[1] = 1", "{\"a\":[]}",
         "! Lua.FunctionError: t.lua:2: a field of a JSON object is set by its name, a string\n");
}

static void values_are_copied_when_they_are_set(void **state)
{
    (void)state;
    BODY("r.b = r.a r.b.x = 2 return r", "{\"a\":{\"x\":1}}", "{\"a\":{\"x\":1},\"b\":{\"x\":2}}\n");
    BODY("r.a.x = 5 r.b = r.a r.a.x = 6 return r", "{\"a\":{\"x\":1}}", "{\"a\":{\"x\":6},\"b\":{\"x\":5}}\n");
    BODY("local t = {x = 1} r.t = t t.x = 2 r.t.y = 3 return r", "{}", "{\"t\":{\"x\":1,\"y\":3}}\n");
    BODY("r.self = r return r", "{\"a\":1}", "{\"a\":1,\"self\":{\"a\":1}}\n");
    BODY("r.a = nil r.b.c = r return r", "{\"a\":1,\"b\":{}}", "{\"b\":{\"c\":{\"b\":{}}}}\n");
    BODY("local a = r.a r.a = 1 a.x = 2 return {r, a}", "{\"a\":{}}", "{\"a\":1}\n{\"x\":2}\n");
    BODY("return {whole = r, part = r.a, raw = 1}", " {\"a\":[1, 2]} ",
         "{\"part\":[1, 2],\"raw\":1,\"whole\":{\"a\":[1, 2]}}\n");
    BODY("return {text = r}", "no \"json\"", "{\"text\":\"no \\\"json\\\"\"}\n");
}

static void parts_of_other_records_are_copied_too(void **state)
{
    struct rig *rig = rig_new("function batch(records)\n"
                              "  records[1].b = records[2].b\n"
                              "  records[2].b.x = 9\n"
                              "  records[1].c = records[2].b\n"
                              "  return records\n"
                              "end\n");
    const struct slice data[] = {SLICE("{\"a\":1}"), SLICE("{\"b\": {\"x\": 1}}")};

    (void)state;
    rig_open(rig, "lua: t.lua");
    rig_begin(rig);
    assert_int_equal(rig_run(rig, data, 2), 0);
    assert_string_equal(rig_end(rig), "{\"a\":1,\"b\":{\"x\": 1},\"c\":{\"x\": 9}}\n{\"b\": {\"x\": 9}}\n");
    rig_free(rig);
}

static void copies_stay_and_references_do_not(void **state)
{
    struct rig *rig =
        rig_new("local copy, ref, iter, meta_\n"
                "function transform(r, meta)\n"
                "  if not copy then copy, ref, iter, meta_ = sluice.copy(r), r.a, pairs(r.a), meta return r end\n"
                "  local ok, why = {}, {}\n"
                "  ok[1], why[1] = pcall(function() return ref.x end)\n"
                "  ok[2], why[2] = pcall(function() ref.x = 1 end)\n"
                "  ok[3], why[3] = pcall(function() return #ref end)\n"
                "  ok[4], why[4] = pcall(function() return tostring(ref) end)\n"
                "  ok[5], why[5] = pcall(iter)\n"
                "  ok[6], why[6] = pcall(function() r.y = ref end)\n"
                "  ok[7], why[7] = pcall(sluice.copy, ref)\n"
                "  ok[8], why[8] = pcall(sluice.text, ref)\n"
                "  ok[9], why[9] = pcall(function() return pairs(ref) end)\n"
                "  ok[10], why[10] = pcall(function() return ref .. '' end)\n"
                "  for i = 1, 10 do\n"
                "    if ok[i] or not why[i]:find('this record is gone') then error(i .. tostring(why[i])) end\n"
                "  end\n"
                "  assert(ref ~= r)\n"
                "  if r.last then return ref end\n"
                "  return copy\n"
                "end\n");

    (void)state;
    rig_open(rig, "lua: t.lua");
    assert_string_equal(rig_one(rig, "{\"a\":{\"x\":[]}}"), "{\"a\":{\"x\":[]}}\n");
    assert_string_equal(rig_one(rig, "{\"b\":1}"), "{\"a\":{\"x\":[]}}\n");
    assert_string_equal(rig_one(rig, "{\"last\":1}"),
                        "! Lua.FunctionError: t.lua:2: this record is gone: it ends with the call that got it; keep "
                        "sluice.copy(...) of what you need\n");
    rig_free(rig);
}

static void iterating_and_changing_at_once_is_defined(void **state)
{
    (void)state;
    BODY("for k in pairs(r) do r[k] = nil end return r", "{\"a\":1, \"b\":2, \"c\":3}", "{}\n");
    BODY("for k, v in pairs(r) do if v < 10 then r[k .. k] = v + 10 end end return r", "{\"a\":1,\"b\":2}",
         "{\"a\":1,\"b\":2,\"aa\":11,\"bb\":12}\n");
    BODY("for k, v in pairs(r.o) do r.o[k] = v * 2 end return r", "{\"o\":{\"a\":1,\"b\":2}}",
         "{\"o\":{\"a\":2,\"b\":4}}\n");
    BODY("return tostring(#r) .. tostring(#r.a) .. tostring(next({}))", "{\"a\":[1,2]}", "02nil\n");
}

static void wide_objects_are_found_by_hash(void **state)
{
    (void)state;
    BODY("for i = 1, 1000 do r['k' .. i] = i end\n"
         "for i = 1, 1000, 2 do r['k' .. i] = nil end\n"
         "for i = 1, 1000, 3 do r['k' .. i] = -i end\n"
         "local n, sum = 0, 0 for k, v in pairs(r) do n = n + 1 sum = sum + v end\n"
         "assert(r.k4 == -4 and r.k3 == nil and r.k2 == 2 and r.k7 == -7 and r.a == 1)\n"
         "return n .. ' ' .. sum",
         "{\"a\":1}", "668 -500\n");
}

static void nesting_has_a_limit(void **state)
{
    char text[600];

    (void)state;
    memset(text, 0, sizeof(text));
    memset(text, '[', 128);
    memset(text + 128, ']', 128);
    BODY("local n, x = 0, r while x do n, x = n + 1, x[1] end return tostring(n)", text, "128\n");
    memset(text, '[', 129);
    memset(text + 129, ']', 129);
    BODY("return r[1]", text, "! Lua.FunctionError: t.lua:2: nested too deeply (at byte 128)\n");
    BODY("local n = r for i = 1, 1000 do n.x = {} n = n.x end", "{}",
         "! Lua.FunctionError: t.lua:2: nested too deeply\n");
}

static void tables_become_json(void **state)
{
    (void)state;
    BODY("return {b = 1, a = {1, 2.5, 'x', false, sluice.null, {}}, c = sluice.array()}", "x",
         "{\"a\":[1,2.5,\"x\",false,null,{}],\"b\":1,\"c\":[]}\n");
    BODY("return {{[1] = 1, x = 2}}", "x",
         "! Lua.FunctionError: t.lua:1: a table with these keys is neither a JSON array (1 to n) nor a JSON object "
         "(texts)\n");
    BODY("return {{[1] = 1, [3] = 2}}", "x",
         "! Lua.FunctionError: t.lua:1: a table with these keys is neither a JSON array (1 to n) nor a JSON object "
         "(texts)\n");
    BODY("return {{[true] = 1}}", "x",
         "! Lua.FunctionError: t.lua:1: a table with these keys is neither a JSON array (1 to n) nor a JSON object "
         "(texts)\n");
    BODY("return setmetatable({a = 1}, {__index = error, __pairs = error, __len = error})", "x", "{\"a\":1}\n");
}

/* The rig checks of every record that is said to be an object that it is one; here: which ones are. */
static void what_was_read_and_stayed_flat_is_known_to_be_an_object(void **state)
{
    static const struct {
        const char *body, *record;
        bool object;
    } cases[] = {
        {"return r", "{\"a\":1}", false}, /* nobody has looked */
        {"local a = r.a return r", " {\"a\":1} ", true},
        {"r.a = 2 return r", "{\"a\":1}", true},
        {"r.b.c = 'x' return r", "{\"b\":{}}", true},
        {"r.a = nil return r", "{\"a\":1}", true},
        {"return {r, r.b, tostring(r.a)}", "{\"a\":1,\"b\":{}}", true}, /* the first of three */
        {"return r.b", "{\"b\":{}}", false},
        {"r.a = {} return r", "{\"a\":1}", false}, /* how deep it is now is not followed */
        {"r.b = r.b return r", "{\"b\":{}}", false},
        {"r.b.c = r return r", "{\"b\":{}}", false},
        {"r[1] = 2 return r", "[1]", false},
        {"return {a = r.a}", "{\"a\":1}", false},
        {"return '{}'", "{\"a\":1}", false},
        {"pcall(function() return r.a end) return r", "{\"a\":1", false},
        {"pcall(function() return r.a end) return r", "7", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *script = mem_printf("function transform(r)\n%s\nend\n", cases[i].body);
        struct rig *rig = rig_new(script);

        rig_open(rig, "lua: t.lua");
        rig_one(rig, cases[i].record);
        if (rig->objects != cases[i].object)
            fail_msg("%s, of %s: %s", cases[i].body, cases[i].record, buf_cstr(&rig->outcomes));
        rig_free(rig);
        mem_free(script);
    }
}

static void add_locals(struct buf *script, unsigned count)
{
    assert_int_equal(buf_add_str(script, "local a0"), 0);
    for (unsigned i = 1; i < count; i++)
        assert_int_equal(buf_printf(script, ", a%u", i), 0);
    assert_int_equal(buf_add_str(script, " = 1\n"), 0);
}

/* Lua 5.4.4 loses what a metamethod of a concatenation made when its stack had to grow meanwhile, which the first record brought about. */
static void a_record_is_concatenated_whole_whatever_the_script_has_on_its_stack(void **state)
{
    (void)state;
    for (unsigned locals = 1; locals < 190; locals += 3) {
        struct buf script;
        struct rig *rig;

        buf_init(&script, 16 * KIB);
        assert_int_equal(buf_add_str(&script, "local function f(r, meta)\n"), 0);
        add_locals(&script, locals);
        assert_int_equal(buf_add_str(&script, "local x = (meta.nothing or '-') .. '|' .. r return x end\n"
                                              "function transform(r, meta)\nlocal co = coroutine.wrap(function()\n"),
                         0);
        add_locals(&script, locals);
        assert_int_equal(
            buf_add_str(&script, "local x = 'co' .. '|' .. r return x end)\nreturn f(r, meta) .. co()\nend\n"), 0);
        rig = rig_new(buf_cstr(&script));
        rig_open(rig, "lua: t.lua");
        rig_one(rig, "first");
        if (strcmp(buf_cstr(&rig->outcomes), "-|firstco|first\n") != 0)
            fail_msg("with %u locals: %s", locals, buf_cstr(&rig->outcomes));
        rig_free(rig);
        buf_release(&script);
    }
}

/* As deep as records may be nested; and when garbage was collected in between. */
static void a_record_is_concatenated_whole_however_deep_a_record_is_walked_through(void **state)
{
    (void)state;
    for (unsigned locals = 1; locals < 16; locals++) {
        struct buf script;
        struct rig *rig;

        buf_init(&script, 16 * KIB);
        assert_int_equal(buf_add_str(&script, "local function down(n, r)\n"), 0);
        add_locals(&script, locals);
        assert_int_equal(buf_add_str(&script, "local x = n .. '|' .. r\n"
                                              "if x ~= n .. '|first' then return n .. ' is ' .. x end\n"
                                              "local y = n > 0 and down(n - 1, r)\nreturn y or 'fine' end\n"
                                              "function transform(r)\nlocal x = down(128, r)\n"
                                              "for i = 1, 50000 do local garbage = {i} end\n"
                                              "local co = coroutine.wrap(function() return down(15, r) end)\n"
                                              "return x .. down(128, r) .. co() end\n"),
                         0);
        rig = rig_new(buf_cstr(&script));
        rig_open(rig, "lua: t.lua");
        rig_one(rig, "first");
        if (strcmp(buf_cstr(&rig->outcomes), "finefinefine\n") != 0)
            fail_msg("with %u locals: %s", locals, buf_cstr(&rig->outcomes));
        rig_free(rig);
        buf_release(&script);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_touched_stays_to_the_byte),
        cmocka_unit_test(numbers_keep_their_digits_unless_changed),
        cmocka_unit_test(of_duplicate_keys_the_last_counts),
        cmocka_unit_test(null_is_a_value_and_absent_is_nil),
        cmocka_unit_test(empty_arrays_and_objects_stay_apart),
        cmocka_unit_test(strings_are_bytes_with_escapes_undone),
        cmocka_unit_test(keys_are_compared_decoded),
        cmocka_unit_test(what_is_no_object_is_raw),
        cmocka_unit_test(broken_json_fails_only_when_a_field_is_asked_for),
        cmocka_unit_test(arrays_are_sequences_without_holes),
        cmocka_unit_test(values_are_copied_when_they_are_set),
        cmocka_unit_test(parts_of_other_records_are_copied_too),
        cmocka_unit_test(copies_stay_and_references_do_not),
        cmocka_unit_test(iterating_and_changing_at_once_is_defined),
        cmocka_unit_test(wide_objects_are_found_by_hash),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(a_record_is_concatenated_whole_whatever_the_script_has_on_its_stack),
        cmocka_unit_test(a_record_is_concatenated_whole_however_deep_a_record_is_walked_through),
        cmocka_unit_test(tables_become_json),
        cmocka_unit_test(what_was_read_and_stayed_flat_is_known_to_be_an_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
