#include "tests/support/cmocka.h"

#include "pipeline/base/utf8.h"

#include <stdlib.h>

/* Every code point there is, and every surrogate; the decoder here is the definition, not the table. */
static void every_code_point_is_one_and_no_surrogate_is(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        char text[UTF8_MAX + 1] = {0};
        size_t n = utf8_put(c, text);
        bool surrogate = c >= 0xd800 && c <= 0xdfff;

        if (n != (c < 0x80 ? 1U : c < 0x800 ? 2U : c < 0x10000 ? 3U : 4U))
            fail_msg("U+%04x written in %zu bytes", c, n);
        if (utf8_first(slice_of(text, n)) != (surrogate ? 0 : n) || utf8_first(slice_of(text, n - 1)) != 0)
            fail_msg("U+%04x", c);
    }
}

/* The code point by shifting bits together; 0 is the answer for all that is not its shortest spelling. */
static size_t first_by_definition(const unsigned char *p)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : (p[0] & 0xe0) == 0xc0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : (p[0] & 0xf8) == 0xf0 ? 4 : 0;
    uint32_t c;

    if (n < 2)
        return n;
    c = p[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3fU);
    }
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}

static void each_pair_of_first_bytes_is_judged_as_defined(void **state)
{
    static const unsigned char thirds[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};

    (void)state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (size_t k = 0; k < sizeof(thirds); k++) {
                unsigned char text[] = {(unsigned char)a, (unsigned char)b, thirds[k],
                                        thirds[(k + 3) % sizeof(thirds)]};

                if (utf8_first(slice_of((char *)text, 4)) != first_by_definition(text))
                    fail_msg("%02x %02x %02x %02x", text[0], text[1], text[2], text[3]);
            }
}

/* As many as utf8_first() takes one after the other, stopping before ASCII; at every length, so also in mid-character.
 */
static void a_run_is_what_its_code_points_are_one_by_one(void **state)
{
    static const char whole[] = "\xc3\xa9\xe2\x82\xac\xed\x9f\xbf\xe0\xa0\x80\xf0\x9f\x98\x80\xef\xbf\xbf\xc2\x80 x";
    unsigned seed = 2;

    (void)state;
    assert_int_equal(utf8_run(SLICE(whole)), sizeof(whole) - 3);
    for (int round = 0; round < 50000; round++) {
        size_t n = (size_t)rand_r(&seed) % sizeof(whole), want = 0, one;
        char *text = malloc(n ? n : 1);

        memcpy(text, whole, n);
        if (n > 0 && round % 4)
            text[(size_t)rand_r(&seed) % n] = (char)rand_r(&seed);
        while (want < n && (text[want] & 0x80) && (one = utf8_first(slice_of(text + want, n - want))) > 0)
            want += one;
        assert_int_equal(utf8_run(slice_of(text, n)), want);
        free(text);
    }
}

static void nothing_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(utf8_run(slice_of(NULL, 0)), 0);
    assert_int_equal(utf8_first(slice_of(NULL, 0)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_is_one_and_no_surrogate_is),
        cmocka_unit_test(each_pair_of_first_bytes_is_judged_as_defined),
        cmocka_unit_test(a_run_is_what_its_code_points_are_one_by_one),
        cmocka_unit_test(nothing_is_nothing),
    };

    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
