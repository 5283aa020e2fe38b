/* A compressed file read as if it were plain: at any offset, whole or not at all. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/tail/packed.h"
#include "pipeline/inputs/tail/utf16.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define TEXT_BYTES (3 * MIB + 12345)

struct packing {
    char *text, *file;
    size_t file_n;
};

static int setup(void **state)
{
    struct packing *p = mem_alloc(sizeof(*p));
    uint32_t x = 1;

    p->text = mem_alloc(TEXT_BYTES);
    for (size_t i = 0; i < TEXT_BYTES; i++) {
        x = x * 1664525 + 1013904223;
        p->text[i] = i % 50 == 49 ? '\n' : (char)('a' + (x >> 24) % 16);
    }
    p->file = mem_alloc(2 * TEXT_BYTES);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct packing *p = *state;

    mem_free(p->text);
    mem_free(p->file);
    mem_free(p);
    return 0;
}

/* In two members, as who appends to a compressed file leaves it. */
static void gzip(struct packing *p, size_t n)
{
    p->file_n = 0;
    for (int half = 0; half < 2; half++) {
        size_t from = half ? n / 2 : 0, to = half ? n : n / 2;
        z_stream z = {.zalloc = NULL};

        assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (unsigned char *)p->text + from;
        z.avail_in = (unsigned)(to - from);
        z.next_out = (unsigned char *)p->file + p->file_n;
        z.avail_out = (unsigned)(2 * TEXT_BYTES - p->file_n);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        p->file_n += z.total_out;
        deflateEnd(&z);
    }
}

static void zstd(struct packing *p, size_t n)
{
    p->file_n = ZSTD_compress(p->file, 2 * TEXT_BYTES, p->text, n, 1);
    assert_false(ZSTD_isError(p->file_n));
}

/* As pzstd does it: in front of a frame stands one that says how long it is. */
static void pzstd(struct packing *p, size_t n)
{
    static const char SKIPPED[12] = "\x50\x2a\x4d\x18\4\0\0\0";

    zstd(p, n);
    memmove(p->file + sizeof(SKIPPED), p->file, p->file_n);
    memcpy(p->file, SKIPPED, sizeof(SKIPPED));
    p->file_n += sizeof(SKIPPED);
}

static int file_of(const char *bytes, size_t n)
{
    int fd = memfd_create("packed", MFD_CLOEXEC);

    assert_true(fd >= 0);
    for (size_t done = 0; done < n;) {
        ssize_t wrote = write(fd, bytes + done, n - done);

        assert_true(wrote > 0);
        done += (size_t)wrote;
    }
    return fd;
}

static enum packed_answer measure(struct packed *p, int fd, size_t file_n, uint64_t *size)
{
    enum packed_answer a;
    struct err e;

    while ((a = packed_measure(p, fd, file_n, size, &e)) == PACKED_AGAIN)
        continue;
    return a;
}

static void check_reads(const struct packing *all, int fd, size_t n)
{
    struct packed *p = packed_new(NULL);
    char *to = mem_alloc(UTF16_READ_MAX);
    uint64_t size;

    assert_int_equal(measure(p, fd, all->file_n, &size), PACKED_DONE);
    assert_int_equal(size, n);
    for (size_t at = 0; at < n; at += 200000) { /* forward, and a little back, as a tail does */
        size_t back = at < 256 ? at : 256, want = n - at < 250000 ? n - at : 250000;

        assert_int_equal(packed_read(p, fd, to, back, at - back), back);
        assert_memory_equal(to, all->text + at - back, back);
        assert_int_equal(packed_read(p, fd, to, 250000, at), want);
        assert_memory_equal(to, all->text + at, want);
    }
    for (size_t i = 0; i < 8; i++) { /* anywhere */
        size_t at = (i * 7919 * 1000) % n, want = n - at < UTF16_READ_MAX ? n - at : UTF16_READ_MAX;
        struct err e;

        if (i % 2)
            while (packed_seek(p, fd, at, &e) == PACKED_AGAIN)
                continue;
        assert_int_equal(packed_read(p, fd, to, UTF16_READ_MAX, at), want);
        assert_memory_equal(to, all->text + at, want);
    }
    assert_int_equal(packed_read(p, fd, to, 10, n), 0);
    assert_int_equal(packed_read(p, fd, to, 10, n + 1000), 0);
    packed_free(&p);
    mem_free(to);
}

static void its_text_is_read_at_any_offset(void **state)
{
    static void (*const pack[])(struct packing *, size_t) = {gzip, zstd, pzstd};
    struct packing *p = *state;

    for (size_t i = 0; i < ARRAY_LEN(pack); i++) {
        int fd;

        pack[i](p, TEXT_BYTES);
        fd = file_of(p->file, p->file_n);
        check_reads(p, fd, TEXT_BYTES);
        close(fd);
    }
}

static void what_is_cut_off_or_damaged_is_not_whole(void **state)
{
    static void (*const pack[])(struct packing *, size_t) = {gzip, zstd};
    struct packing *all = *state;

    for (size_t i = 0; i < 2; i++) {
        struct packed *p = packed_new(NULL);
        uint64_t size;

        pack[i](all, 20000);
        for (size_t n = 0; n < all->file_n; n += n < 40 || n + 40 > all->file_n ? 1 : 97) {
            int fd = file_of(all->file, n);
            enum packed_answer a = measure(p, fd, n, &size);

            if (a != PACKED_CUT && !(a == PACKED_DONE && size < 20000)) /* between two members it is whole */
                fail_msg("%zu of %zu bytes: %d", n, all->file_n, (int)a);
            close(fd);
        }
        all->file[all->file_n / 2 + 100] ^= 0x55;
        all->file[all->file_n - 3] ^= 0x55;
        int fd = file_of(all->file, all->file_n);
        enum packed_answer a = measure(p, fd, all->file_n, &size);

        if (i == 0) /* zstd has a checksum only if it was asked for */
            assert_int_equal(a, PACKED_DAMAGED);
        close(fd);
        packed_free(&p);
    }
}

#ifdef TIGHT
static void a_bomb_is_refused(void **state)
{
    struct packing *p = *state;
    struct packed *packed = packed_new(NULL);
    uint64_t size;
    int fd;

    memset(p->text, 0, TEXT_BYTES);
    zstd(p, TEXT_BYTES);
    fd = file_of(p->file, p->file_n);
    assert_int_equal(measure(packed, fd, p->file_n, &size), PACKED_TOO_LARGE);
    close(fd);
    packed_free(&packed);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(its_text_is_read_at_any_offset, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_cut_off_or_damaged_is_not_whole, setup, teardown),
#ifdef TIGHT
        cmocka_unit_test_setup_teardown(a_bomb_is_refused, setup, teardown),
#endif
    };

    return cmocka_run_group_tests_name("packed", tests, NULL, NULL);
}
