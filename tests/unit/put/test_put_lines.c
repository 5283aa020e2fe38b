/* Lines out of a file, whatever its size and its end. */
#include "tests/support/cmocka.h"

#include "pipeline/put/lines.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file in memory: `n` bytes of c between two texts. */
static int file_of(const char *before, size_t n, char c, const char *after)
{
    int fd = memfd_create("lines", MFD_CLOEXEC);
    char *middle = mem_alloc(n + 1);

    memset(middle, c, n);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, before, strlen(before)), strlen(before));
    assert_int_equal(write(fd, middle, n), n);
    assert_int_equal(write(fd, after, strlen(after)), strlen(after));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    mem_free(middle);
    return fd;
}

static void expect(struct put_lines *l, enum put_line want, const char *text, uint64_t number)
{
    struct slice line = {0};
    struct err e;

    assert_int_equal(put_lines_next(l, -1, &line, &e), want);
    if (text)
        assert_true(slice_is(line, text));
    assert_int_equal(l->number, number);
}

static void lines_end_at_newlines_and_at_the_end(void **state)
{
    const struct {
        const char *text;
        const char *lines[4];
    } cases[] = {
        {"", {NULL}},
        {"\n", {"", NULL}},
        {"a", {"a", NULL}},
        {"a\nb\n", {"a", "b", NULL}},
        {"a\n\nb", {"a", "", "b", NULL}},
        {"a\r\n", {"a\r", NULL}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fd = file_of(cases[i].text, 0, 0, "");
        struct put_lines l;
        size_t n = 0;

        put_lines_init(&l, fd);
        for (; cases[i].lines[n]; n++)
            expect(&l, PUT_LINE, cases[i].lines[n], n + 1);
        expect(&l, PUT_LINE_END, NULL, n);
        put_lines_release(&l);
        close(fd);
    }
}

static void a_line_too_long_is_stepped_over_and_said(void **state)
{
    const struct {
        size_t n;
        enum put_line want;
        const char *after;
        bool more;
    } cases[] = {
        {LINE_MAX_BYTES, PUT_LINE, "\nlast", true},
        {LINE_MAX_BYTES + 1, PUT_LINE_LONG, "\nlast", true},
        {3 * MIB, PUT_LINE_LONG, "\nlast", true},
        {9 * MIB + 1, PUT_LINE_LONG, "\nlast", true},
        {LINE_MAX_BYTES + 1, PUT_LINE_LONG, "", false},
        {2 * MIB, PUT_LINE_LONG, "", false},
        {4 * MIB, PUT_LINE_LONG, "", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fd = file_of("first\n", cases[i].n, 'x', cases[i].after);
        struct put_lines l;

        put_lines_init(&l, fd);
        expect(&l, PUT_LINE, "first", 1);
        expect(&l, cases[i].want, NULL, 2);
        if (cases[i].more)
            expect(&l, PUT_LINE, "last", 3);
        expect(&l, PUT_LINE_END, NULL, cases[i].more ? 3 : 2);
        put_lines_release(&l);
        close(fd);
    }
}

static void an_idle_pipe_is_told_apart_from_its_end(void **state)
{
    struct put_lines l;
    struct slice line;
    struct err e;
    int p[2];

    (void)state;
    assert_int_equal(pipe(p), 0);
    put_lines_init(&l, p[0]);
    assert_int_equal(write(p[1], "a\nb", 3), 3);
    expect(&l, PUT_LINE, "a", 1);
    assert_int_equal(put_lines_next(&l, 0, &line, &e), PUT_LINE_IDLE);
    close(p[1]);
    expect(&l, PUT_LINE, "b", 2);
    expect(&l, PUT_LINE_END, NULL, 2);
    put_lines_release(&l);
    close(p[0]);
}

static void what_cannot_be_read_is_an_error(void **state)
{
    struct put_lines l;
    struct slice line;
    struct err e;

    (void)state;
    put_lines_init(&l, -1);
    assert_int_equal(put_lines_next(&l, -1, &line, &e), PUT_LINE_FAILED);
    assert_non_null(strstr(e.msg, "Bad file descriptor"));
    put_lines_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_at_newlines_and_at_the_end),
        cmocka_unit_test(a_line_too_long_is_stepped_over_and_said),
        cmocka_unit_test(an_idle_pipe_is_told_apart_from_its_end),
        cmocka_unit_test(what_cannot_be_read_is_an_error),
    };

    return cmocka_run_group_tests_name("put_lines", tests, NULL, NULL);
}
