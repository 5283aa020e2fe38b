#include "tests/support/cmocka.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/compiler.h"

#include <stdlib.h>

#define LENGTH_MAX 300

/* RFC 4648, section 10. */
static void the_rfcs_vectors(void **state)
{
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct slice plain = slice_str(vectors[i][0]), coded = slice_str(vectors[i][1]);
        char out[8 + BASE64_SLACK];

        assert_int_equal(base64_encoded_length(plain.n), coded.n);
        base64_encode(plain, out);
        assert_memory_equal(out, coded.p, coded.n);
        assert_int_equal(base64_decoded_length(coded), plain.n);
        assert_int_equal(base64_decode(coded, out), plain.n);
        assert_memory_equal(out, plain.p, plain.n);
    }
}

static void what_is_not_strict_base64_is_refused(void **state)
{
    static const char *const bad[] = {
        "Z",        "Zg",    "Zg=",  "=",    "==",     "===",      "====",    "Z===", "Zg==Zg==",
        "Zm=v",     "Zm9v=", "Zh==", "Zm9=", "Zm8=\n", "Zm 9v=",   "Zm9v\n",  " Zm9", "Zm-_",
        "Zm9v====", "=m9v",  "Z=9v", "Zg=v", "Zm8\0",  "Zm9v\x80", "Zm9\xff", "Zm9,",
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (base64_decode(slice_str(bad[i]), out) != -1)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(base64_decode(SLICE("Zm8\0"), out), -1);
    assert_int_equal(base64_decoded_length(SLICE("Zm8")), -1);
    assert_int_equal(base64_decoded_length(SLICE("====")), 1);
}

/* An encoder and a decoder as plain as they can be, to hold the others against. */
static void encode_by_bits(struct slice in, char *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t bits = in.n * 8, n = 0;

    for (size_t bit = 0; bit < bits; bit += 6, n++) {
        unsigned v = 0;

        for (size_t k = bit; k < bit + 6; k++)
            v = v << 1 | (k < bits ? ((unsigned char)in.p[k / 8] >> (7 - k % 8)) & 1U : 0);
        out[n] = alphabet[v];
    }
    while (n % 4)
        out[n++] = '=';
}

static char *exact(size_t n)
{
    char *p = malloc(n ? n : 1); /* so that the sanitizer sees one byte too many */

    assert_non_null(p);
    return p;
}

static void check_length(enum simd simd, size_t n, unsigned *seed)
{
    size_t coded_n = base64_encoded_length(n);
    char *plain = exact(n), *want = exact(coded_n), *got = exact(coded_n);
    char *back = exact(base64_decoded_max(coded_n) + BASE64_SLACK);

    for (size_t i = 0; i < n; i++)
        plain[i] = (char)rand_r(seed);
    encode_by_bits(slice_of(plain, n), want);
    base64_encode_with(simd, slice_of(plain, n), got);
    assert_memory_equal(got, want, coded_n);
    assert_int_equal(base64_decoded_length(slice_of(got, coded_n)), n);
    assert_int_equal(base64_decode_with(simd, slice_of(got, coded_n), back), n);
    assert_memory_equal(back, plain, n);
    free(plain);
    free(want);
    free(got);
    free(back);
}

static void every_length_goes_both_ways_at_every_level(void **state)
{
    unsigned seed = 7;

    (void)state;
    for (enum simd simd = SIMD_NONE; simd <= simd_best(); simd++)
        for (size_t n = 0; n <= LENGTH_MAX; n++)
            check_length(simd, n, &seed);
}

static bool in_alphabet(int c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

static void every_character_at_every_level(void **state)
{
    char text[64 + 4], out[48 + 3 + BASE64_SLACK];

    (void)state;
    memset(text, 'A', sizeof(text));
    for (enum simd simd = SIMD_NONE; simd <= simd_best(); simd++)
        for (size_t at = 0; at < sizeof(text); at++)
            for (int c = 0; c < 256; c++) {
                long got;

                text[at] = (char)c;
                got = base64_decode_with(simd, slice_of(text, sizeof(text)), out);
                /* padding may only stand at the very end */
                if (got != (in_alphabet(c) ? 51 : c == '=' && at == sizeof(text) - 1 ? 50 : -1))
                    fail_msg("level %d, byte %d at %zu: %ld", (int)simd, c, at, got);
                text[at] = 'A';
            }
}

static void an_invalid_byte_is_found_at_each_position_of_each_length(void **state)
{
    static const char bad[] = {'=', '\0', '\n', ' ', '-',    '_',    '.',    ':',
                               '@', '[',  '`',  '{', '\x7f', '\x80', '\xc1', '\xff'};
    char text[LENGTH_MAX], out[LENGTH_MAX + BASE64_SLACK];
    size_t turn = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = "Qq3+/9zA"[i % 8];
    for (size_t n = 4; n <= sizeof(text); n += 4)
        for (size_t at = 0; at < n; at++) {
            char was = text[at];
            char b = bad[turn++ % sizeof(bad)];

            text[at] = b == '=' && at >= n - 1 ? '-' : b;
            for (enum simd simd = SIMD_NONE; simd <= simd_best(); simd++)
                assert_int_equal(base64_decode_with(simd, slice_of(text, n), out), -1);
            text[at] = was;
        }
}

static void decoding_writes_no_further_than_its_slack(void **state)
{
    char text[LENGTH_MAX], out[LENGTH_MAX + BASE64_SLACK];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t n = 4; n <= sizeof(text); n += 4) {
        size_t room = base64_decoded_max(n) + BASE64_SLACK;

        memset(out, 0x11, sizeof(out));
        assert_int_equal(base64_decode(slice_of(text, n), out), base64_decoded_max(n));
        for (size_t i = room; i < sizeof(out); i++)
            assert_int_equal(out[i], 0x11);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rfcs_vectors),
        cmocka_unit_test(what_is_not_strict_base64_is_refused),
        cmocka_unit_test(every_length_goes_both_ways_at_every_level),
        cmocka_unit_test(every_character_at_every_level),
        cmocka_unit_test(an_invalid_byte_is_found_at_each_position_of_each_length),
        cmocka_unit_test(decoding_writes_no_further_than_its_slack),
    };

    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
