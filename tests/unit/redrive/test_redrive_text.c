/* The lines of an object, compressed or not, piece by piece. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/redrive/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static int file_of(const char *bytes, size_t n)
{
    char path[] = "/tmp/sluice-redrive-text-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, bytes, n), n);
    return fd;
}

/* As one text, with a `|` behind each line. */
static char *lines_of(const char *bytes, size_t n, bool *packed, struct err *e)
{
    int fd = file_of(bytes, n), rc;
    struct redrive_text *t = redrive_text_new(fd);
    char *all = mem_strdup("");
    struct slice line;

    while ((rc = redrive_text_line(t, &line, e)) > 0) {
        char *more = mem_printf("%s%.*s|", all, (int)line.n, line.p ? line.p : "");

        mem_free(all);
        all = more;
    }
    *packed = redrive_text_is_packed(t);
    redrive_text_free(&t);
    close(fd);
    if (rc == 0)
        return all;
    mem_free(all);
    return NULL;
}

static void check(const char *bytes, size_t n, bool want_packed, const char *want)
{
    bool packed = !want_packed;
    struct err e = {.msg = ""};
    char *got = lines_of(bytes, n, &packed, &e);

    if (!got || strcmp(got, want) != 0)
        fail_msg("got %.80s (%s), want %.80s", got ? got : "nothing", e.msg, want);
    assert_int_equal(packed, want_packed);
    mem_free(got);
}

static size_t gzip_of(const char *text, char *out, size_t size)
{
    z_stream z = {.next_in = (unsigned char *)text,
                  .avail_in = (unsigned)strlen(text),
                  .next_out = (unsigned char *)out,
                  .avail_out = (unsigned)size};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return size - z.avail_out;
}

static void plain_text_is_cut_at_its_breaks(void **state)
{
    static const char *const CASES[][2] = {
        {"", ""}, {"a", "a|"}, {"a\n", "a|"}, {"a\n\nb", "a||b|"}, {"\n", "|"}, {"\x1f\x8b", "\x1f\x8b|"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        check(CASES[i][0], strlen(CASES[i][0]), false, CASES[i][1]);
}

static void compressed_text_is_the_same(void **state)
{
    char bytes[512];
    size_t n = gzip_of("one\ntwo\n", bytes, sizeof(bytes)), m;

    (void)state;
    check(bytes, n, true, "one|two|");
    m = gzip_of("three", bytes + n, sizeof(bytes) - n);
    check(bytes, n + m, true, "one|two|three|"); /* two members are one text */
    n = ZSTD_compress(bytes, sizeof(bytes), "one\ntw", 6, 1);
    m = ZSTD_compress(bytes + n, sizeof(bytes) - n, "o\n", 2, 1);
    check(bytes, n + m, true, "one|two|");
    n = gzip_of("", bytes, sizeof(bytes));
    check(bytes, n, true, "");
}

static void what_is_damaged_is_said(void **state)
{
    char bytes[512];
    size_t n = gzip_of("one\ntwo\n", bytes, sizeof(bytes));
    bool packed;
    struct err e;

    (void)state;
    assert_null(lines_of(bytes, n - 3, &packed, &e));
    assert_string_equal(e.msg, "gzip: cut off before its end");
    bytes[n - 6] ^= 1;
    assert_null(lines_of(bytes, n, &packed, &e));
    assert_non_null(strstr(e.msg, "gzip: "));
    n = ZSTD_compress(bytes, sizeof(bytes), "one\ntwo\n", 8, 1);
    assert_null(lines_of(bytes, n - 1, &packed, &e));
    assert_string_equal(e.msg, "zstd: cut off before its end");
}

/* Lines of every length around the edges of pieces, and one that is too long for any error line. */
static void pieces_do_not_show(void **state)
{
    size_t sizes[] = {REDRIVE_PIECE - 1, REDRIVE_PIECE,        REDRIVE_PIECE + 1,        1,
                      3 * REDRIVE_PIECE, REDRIVE_LINE_MAX - 1, 2 * REDRIVE_LINE_MAX + 5, 7};
    size_t total = 0, at = 0;
    struct redrive_text *t;
    struct slice line;
    struct err e;
    char *all;
    int fd;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        total += sizes[i] + 1;
    all = mem_alloc(total);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++, at++) {
        memset(all + at, 'a' + (int)i, sizes[i]);
        at += sizes[i];
        all[at] = '\n';
    }
    fd = file_of(all, total);
    t = redrive_text_new(fd);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(redrive_text_line(t, &line, &e), 1);
        assert_int_equal(line.p[0], 'a' + (int)i);
        assert_int_equal(line.p[line.n - 1], 'a' + (int)i);
        if (sizes[i] < REDRIVE_LINE_MAX)
            assert_int_equal(line.n, sizes[i]);
        else
            assert_in_range(line.n, REDRIVE_LINE_MAX, REDRIVE_LINE_MAX + REDRIVE_PIECE);
    }
    assert_int_equal(redrive_text_line(t, &line, &e), 0);
    assert_int_equal(redrive_text_line(t, &line, &e), 0);
    redrive_text_free(&t);
    close(fd);
    mem_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_cut_at_its_breaks),
        cmocka_unit_test(compressed_text_is_the_same),
        cmocka_unit_test(what_is_damaged_is_said),
        cmocka_unit_test(pieces_do_not_show),
    };

    return cmocka_run_group_tests_name("redrive_text", tests, NULL, NULL);
}
