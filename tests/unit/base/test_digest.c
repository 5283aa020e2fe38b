#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"

#include <limits.h>
#include <string.h>

static const char *sha_hex(struct slice in, char out[SHA256_HEX])
{
    unsigned char sum[SHA256_BYTES];

    sha256_of(in, sum);
    return hex_encode(sum, sizeof(sum), out);
}

/* FIPS 180-4's examples. */
static void sha256_of_known_texts(void **state)
{
    char hex[SHA256_HEX];

    (void)state;
    assert_string_equal(sha_hex(SLICE(""), hex), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(sha_hex(slice_of(NULL, 0), hex),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(sha_hex(SLICE("abc"), hex), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void a_context_is_reused_and_pieces_equal_the_whole(void **state)
{
    struct sha256 *s = sha256_new();
    unsigned char sum[SHA256_BYTES];
    char got[SHA256_HEX], want[SHA256_HEX];

    (void)state;
    for (int round = 0; round < 2; round++) {
        sha256_begin(s);
        sha256_add(s, SLICE("a"));
        sha256_add(s, slice_of(NULL, 0));
        sha256_add(s, SLICE("bc"));
        sha256_end(s, sum);
        assert_string_equal(hex_encode(sum, sizeof(sum), got), sha_hex(SLICE("abc"), want));
    }
    sha256_free(&s);
    assert_null(s);
    sha256_free(&s);
}

/* RFC 4231, test cases 1, 2 and 6. */
static void hmac_of_the_rfcs_cases(void **state)
{
    unsigned char key[131], sum[SHA256_BYTES];
    char hex[SHA256_HEX];

    (void)state;
    memset(key, 0x0b, sizeof(key));
    hmac_sha256(slice_of((char *)key, 20), SLICE("Hi There"), sum);
    assert_string_equal(hex_encode(sum, sizeof(sum), hex),
                        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256(SLICE("Jefe"), SLICE("what do ya want for nothing?"), sum);
    assert_string_equal(hex_encode(sum, sizeof(sum), hex),
                        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    hmac_sha256(slice_of((char *)key, 131), SLICE("Test Using Larger Than Block-Size Key - Hash Key First"), sum);
    assert_string_equal(hex_encode(sum, sizeof(sum), hex),
                        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* A key as long as a block is taken as it is, a longer one's hash is. */
static void an_hmac_key_of_a_block_and_of_one_byte_more(void **state)
{
    static const char *const want[] = {
        "6a599c2e1bd634e06e5e757c87aefabb46596905a0e71e41cd131e931dc8dd3d",
        "35b8c3e65dabe81902fa78f61def8031fb2bb3b9af41bfc2ff0c84063069e566",
    };
    unsigned char key[65], sum[SHA256_BYTES];
    char hex[SHA256_HEX];

    (void)state;
    memset(key, 0xaa, sizeof(key));
    for (size_t i = 0; i < 2; i++) {
        hmac_sha256(slice_of((char *)key, 64 + i), SLICE("edge"), sum);
        assert_string_equal(hex_encode(sum, sizeof(sum), hex), want[i]);
    }
    hmac_sha256(slice_of((char *)sum, sizeof(sum)), SLICE("edge"), sum); /* the key may stand where the result goes */
    assert_string_equal(hex_encode(sum, sizeof(sum), hex),
                        "aa5b7dfed7fa0bd07943dbd67de5a2956b3f324b60fe99b981e42e2c64051622");
}

static void an_empty_hmac_key_is_a_key(void **state)
{
    unsigned char sum[SHA256_BYTES];
    char hex[SHA256_HEX];

    (void)state;
    hmac_sha256(slice_of(NULL, 0), SLICE(""), sum);
    assert_string_equal(hex_encode(sum, sizeof(sum), hex),
                        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 3720, appendix B.4, and the usual check value. */
static void md5_of_the_rfcs_texts(void **state)
{
    unsigned char md5[MD5_BYTES];
    char hex[2 * MD5_BYTES + 1];

    (void)state;
    assert_true(md5_of(SLICE(""), md5));
    assert_string_equal(hex_encode(md5, MD5_BYTES, hex), "d41d8cd98f00b204e9800998ecf8427e");
    assert_true(md5_of(SLICE("message digest"), md5));
    assert_string_equal(hex_encode(md5, MD5_BYTES, hex), "f96b697d7cb7938d525a2f31aaf161d0");
}

static void crc32c_of_the_rfcs_patterns(void **state)
{
    char bytes[32];

    (void)state;
    assert_int_equal(crc32c(0, SLICE("")), 0);
    assert_int_equal(crc32c(0, SLICE("123456789")), 0xE3069283);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(0, slice_of(bytes, sizeof(bytes))), 0x8A9136AA);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, slice_of(bytes, sizeof(bytes))), 0x62A8AB43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (char)i;
    assert_int_equal(crc32c(0, slice_of(bytes, sizeof(bytes))), 0x46DD794E);
}

static void crc32c_chains_at_every_cut(void **state)
{
    static char bytes[1000];
    uint32_t whole;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 + i / 256);
    whole = crc32c(0, slice_of(bytes, sizeof(bytes)));
    for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
        uint32_t first = crc32c(0, slice_of(bytes, cut));

        assert_int_equal(crc32c(first, slice_of(bytes + cut, sizeof(bytes) - cut)), whole);
    }
}

static void crc64nvme_of_the_catalogue_chains_at_every_cut(void **state)
{
    struct slice text = SLICE("123456789");

    (void)state;
    assert_true(crc64nvme(0, SLICE("")) == 0);
    assert_true(crc64nvme(0, text) == 0xae8b14860a799888);
    for (size_t cut = 0; cut <= text.n; cut++)
        assert_true(crc64nvme(crc64nvme(0, slice_of(text.p, cut)), slice_of(text.p + cut, text.n - cut)) ==
                    0xae8b14860a799888);
}

static void md5_in_pieces_is_that_of_the_whole(void **state)
{
    unsigned char whole[MD5_BYTES], pieces[MD5_BYTES];
    struct md5 *m = md5_new();

    (void)state;
    assert_non_null(m);
    assert_true(md5_of(SLICE("message digest"), whole));
    for (int round = 0; round < 2; round++) {
        md5_begin(m);
        md5_add(m, SLICE("message"));
        md5_add(m, SLICE(""));
        md5_add(m, SLICE(" digest"));
        md5_end(m, pieces);
        assert_memory_equal(pieces, whole, MD5_BYTES);
    }
    md5_free(&m);
    md5_free(&m);
}

static void constant_time_comparison_sees_each_byte(void **state)
{
    char a[40] = {0}, b[40] = {0};

    (void)state;
    assert_true(equal_constant_time(a, b, sizeof(a)));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = 1;
        assert_false(equal_constant_time(a, b, sizeof(a)));
        assert_true(equal_constant_time(a, b, i));
        b[i] = 0;
    }
}

static void random_bytes_fill_all_they_are_given_and_no_more(void **state)
{
    unsigned char seen[64] = {0}, bytes[66];

    (void)state;
    for (int round = 0; round < 64; round++) {
        memset(bytes, 0, sizeof(bytes));
        random_bytes(bytes + 1, 64);
        assert_int_equal(bytes[0], 0);
        assert_int_equal(bytes[65], 0);
        for (size_t i = 0; i < 64; i++)
            seen[i] |= bytes[i + 1];
    }
    for (size_t i = 0; i < 64; i++)
        assert_int_not_equal(seen[i], 0); /* by chance once in 2^506 runs */
}

static void hex_digits_have_their_values_and_nothing_else_has(void **state)
{
    static const char DIGITS[] = "0123456789abcdef", UPPER[] = "0123456789ABCDEF";

    (void)state;
    for (int c = CHAR_MIN; c <= CHAR_MAX; c++) {
        const char *lower = c ? strchr(DIGITS, c) : NULL, *upper = c ? strchr(UPPER, c) : NULL;

        assert_int_equal(hex_digit((char)c), lower ? lower - DIGITS : upper ? upper - UPPER : -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_known_texts),
        cmocka_unit_test(a_context_is_reused_and_pieces_equal_the_whole),
        cmocka_unit_test(hmac_of_the_rfcs_cases),
        cmocka_unit_test(an_hmac_key_of_a_block_and_of_one_byte_more),
        cmocka_unit_test(an_empty_hmac_key_is_a_key),
        cmocka_unit_test(md5_of_the_rfcs_texts),
        cmocka_unit_test(crc32c_of_the_rfcs_patterns),
        cmocka_unit_test(crc32c_chains_at_every_cut),
        cmocka_unit_test(crc64nvme_of_the_catalogue_chains_at_every_cut),
        cmocka_unit_test(md5_in_pieces_is_that_of_the_whole),
        cmocka_unit_test(constant_time_comparison_sees_each_byte),
        cmocka_unit_test(random_bytes_fill_all_they_are_given_and_no_more),
        cmocka_unit_test(hex_digits_have_their_values_and_nothing_else_has),
    };

    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
