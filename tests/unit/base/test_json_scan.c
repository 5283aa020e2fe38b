#include "tests/support/cmocka.h"

#include "pipeline/base/json_scan.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX 300

static int is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void each_byte_is_plain_or_not_at_every_level(void **state)
{
    char text[100];

    (void)state;
    for (enum simd simd = SIMD_NONE; simd <= simd_best(); simd++)
        for (int c = 0; c < 256; c++)
            for (size_t at = 0; at < sizeof(text); at++) {
                const char *want = is_plain((unsigned char)c) ? text + sizeof(text) : text + at;

                memset(text, 'a', sizeof(text));
                text[at] = (char)c;
                if (json_scan_plain(simd, text, text + sizeof(text)) != want)
                    fail_msg("level %d, byte %d at %zu", (int)simd, c, at);
            }
}

/* Each length from each alignment, in memory that ends where the text ends; the byte behind `end` is never looked at.
 */
static void every_level_agrees_at_each_alignment_and_length(void **state)
{
    static const char special[] = {'"', '\\', '\0', '\n', '\x1f', '\x80', '\xff'};
    unsigned seed = 3;

    (void)state;
    for (size_t align = 0; align < 33; align++)
        for (size_t n = 0; n <= LENGTH_MAX; n++) {
            char *text = malloc(align + n + 1), *p = text + align;
            size_t at = n ? (size_t)rand_r(&seed) % n : 0;

            memset(text, 'x', align + n + 1);
            p[n] = '"';
            for (enum simd simd = SIMD_NONE; simd <= simd_best(); simd++)
                assert_ptr_equal(json_scan_plain(simd, p, p + n), p + n);
            if (n > 0)
                p[at] = special[(align + n) % sizeof(special)];
            for (enum simd simd = SIMD_NONE; n > 0 && simd <= simd_best(); simd++)
                assert_ptr_equal(json_scan_plain(simd, p, p + n), p + at);
            free(text);
        }
}

static void nothing_beyond_the_end_is_read(void **state)
{
    (void)state;
    for (size_t n = 0; n <= LENGTH_MAX; n++) {
        char *text = malloc(n ? n : 1); /* the sanitizer watches its end */

        memset(text, 'x', n);
        for (enum simd simd = SIMD_NONE; simd <= simd_best(); simd++)
            assert_ptr_equal(json_scan_plain(simd, text, text + n), text + n);
        free(text);
    }
}

static void the_first_of_several_is_found(void **state)
{
    char text[LENGTH_MAX];
    unsigned seed = 11;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        for (size_t i = 0; i < sizeof(text); i++)
            text[i] = rand_r(&seed) % 60 ? 'a' : (char)rand_r(&seed);
        for (enum simd simd = SIMD_SSE2; simd <= simd_best(); simd++)
            assert_ptr_equal(json_scan_plain(simd, text, text + sizeof(text)),
                             json_scan_plain(SIMD_NONE, text, text + sizeof(text)));
    }
}

/* Asked from place to place, marks lead to each byte that is not plain, and to no other but the end of what was looked at. */
static void check_marks(enum simd simd, const char *text, size_t n, unsigned *seed)
{
    const char *end = text + n, *p = text;
    struct json_marks m;

    json_marks_init(&m, text);
    while (p < end) {
        const char *want = json_scan_plain(SIMD_NONE, p, end), *found;

        if (p >= m.begin + m.n)
            json_marks_fill(simd, &m, p, end);
        found = json_marks_next(&m, p, end);
        assert_true(found == want || (found < want && found == m.begin + m.n));
        p = found + (found == want) + (rand_r(seed) % 8 == 0 ? rand_r(seed) % 300 : 0);
        if (rand_r(seed) % 16 == 0)
            m.ahead = JSON_WINDOW_LEAST;
    }
    if (p == end)
        assert_ptr_equal(json_marks_next(&m, p, end), end);
}

static void marks_are_where_the_bytes_are_that_are_not_plain(void **state)
{
    static const int rarity[] = {1, 3, 10, 60, 1000};
    unsigned seed = 5;

    (void)state;
    for (size_t n = 0; n < 1400; n += 1 + n / 200)
        for (size_t k = 0; k < ARRAY_LEN(rarity); k++) {
            char *text = malloc(n ? n : 1); /* the sanitizer watches its end */

            for (size_t i = 0; i < n; i++)
                text[i] = rand_r(&seed) % rarity[k] ? 'a' : (char)rand_r(&seed);
            for (enum simd simd = SIMD_NONE; simd <= simd_best(); simd++)
                check_marks(simd, text, n, &seed);
            free(text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_is_plain_or_not_at_every_level),
        cmocka_unit_test(every_level_agrees_at_each_alignment_and_length),
        cmocka_unit_test(nothing_beyond_the_end_is_read),
        cmocka_unit_test(the_first_of_several_is_found),
        cmocka_unit_test(marks_are_where_the_bytes_are_that_are_not_plain),
    };

    return cmocka_run_group_tests_name("json_scan", tests, NULL, NULL);
}
