/* The file of a parcel: what was flushed is read as it was added, however it was cut into blocks, after a crash, on a disk that fails, and
 * beside damage; and a delivery reads it like what a transform made. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/object_source.h"
#include "pipeline/encode/parcel_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORDS = 300 };

struct bench {
    char dir[64], path[96];
    struct parcel_file *f;
    struct buf raw;
    struct err e;
};

static int set_up(void **state)
{
    struct bench *b = mem_alloc(sizeof(*b));

    strcpy(b->dir, "/tmp/parcel-test-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->path, sizeof(b->path), "%s/7", b->dir);
    buf_init(&b->raw, WORKER_RAW_MAX);
    *state = b;
    return 0;
}

static int take_down(void **state)
{
    struct bench *b = *state;

    parcel_file_close(&b->f);
    buf_release(&b->raw);
    unlink(b->path);
    assert_int_equal(rmdir(b->dir), 0);
    mem_free(b);
    return 0;
}

/* Of any length, also none, with and without a line break of its own. */
static struct slice record_at(uint64_t i, char out[64])
{
    int n = i % 7 == 0
                ? 0
                : snprintf(out, 64, "record %llu of %.*s", (unsigned long long)i, (int)(i % 20), "many words and more");

    if (i % 5 == 0)
        out[n++] = '\n';
    return slice_of(out, (size_t)n);
}

/* Two records in three come from the source record before theirs. */
static struct record_origin origin_at(uint64_t i)
{
    return (struct record_origin){.seq = 1000 + i / 3,
                                  .part = (uint32_t)(i % 3) & 3,
                                  .arrival = (nsec)(5000 + i),
                                  .is_counted = i % 3 == 0,
                                  .is_object = i % 2};
}

static int add(struct bench *b, uint64_t i)
{
    struct record_origin from = origin_at(i);
    char text[64];

    return parcel_file_add(b->f, record_at(i, text), &from, &b->e);
}

static void add_run(struct bench *b, uint64_t from, uint64_t to)
{
    for (; from < to; from++)
        assert_int_equal(add(b, from), 0);
}

/* Where each block begins, and with which record; the last one is the end. */
struct blocks {
    uint64_t at[RECORDS + 1], first[RECORDS + 1];
    uint64_t n;
};

static void note_block(struct bench *b, struct blocks *of)
{
    if (parcel_file_mark(b->f).length == of->at[of->n])
        return;
    of->n++;
    of->at[of->n] = parcel_file_mark(b->f).length;
    of->first[of->n] = parcel_file_mark(b->f).count;
}

static void flush(struct bench *b)
{
    if (parcel_file_flush(b->f, &b->e) < 0)
        fail_msg("%s", b->e.msg);
}

static void go_on_from(struct bench *b, const struct io_ops *ops, const struct parcel_mark *mark)
{
    parcel_file_close(&b->f);
    b->f = parcel_file_at(ops, b->path, mark);
}

/* As a start does. */
static void open_file(struct bench *b, uint64_t length)
{
    struct parcel_mark mark = {0};

    if (length > 0 && parcel_file_look(NULL, b->path, length, &mark, &b->e) < 0)
        fail_msg("%s", b->e.msg);
    assert_int_equal(mark.length, length);
    go_on_from(b, NULL, &mark);
}

/* A new file of `count` records, flushed after each `run` of them and wherever a block is full. */
static void write_file(struct bench *b, uint64_t count, uint64_t run, struct blocks *of)
{
    *of = (struct blocks){0};
    open_file(b, 0);
    for (uint64_t i = 0; i < count; i++) {
        add_run(b, i, i + 1);
        note_block(b, of);
        if ((i + 1) % run == 0 || i + 1 == count)
            flush(b);
        note_block(b, of);
    }
}

static bool is_block_end(const struct blocks *of, uint64_t length)
{
    for (uint64_t i = 1; i <= of->n; i++)
        if (of->at[i] == length)
            return true;
    return false;
}

static void check_record(const struct object_reader *r, uint64_t i, struct slice data)
{
    struct sink_record got = object_reader_record(r, i);
    struct record_origin want = origin_at(i);
    char text[64];

    assert_true(slice_eq(data, record_at(i, text)));
    assert_int_equal(got.seq, want.seq);
    assert_int_equal(got.part, want.part);
    assert_int_equal(got.arrival, want.arrival);
    assert_int_equal(got.is_object, want.is_object);
    assert_int_equal(object_reader_is_counted(r, i), want.is_counted);
    assert_int_equal(object_reader_keys(r, i).n, 0);
}

/* All of them, but for those that are said to be lost; how many these are. */
static uint64_t check_all(struct bench *b, uint64_t count)
{
    const struct object o = {.first = 1000, .last = 1000 + count / 3, .epoch = 9};
    struct parcel_mark mark = parcel_file_mark(b->f);
    struct object_source s = object_source_staged(&o, b->path, &mark);
    uint64_t at = 0, lost = 0;
    struct object_reader r;
    int got;

    assert_int_equal(s.count, count);
    object_reader_open(&r, &s, &b->raw, NULL);
    while ((got = object_reader_next(&r, &b->e)) > 0) {
        struct frame_iter it = object_reader_records(&r, r.begin);
        struct slice data;

        assert_int_equal(r.begin, at);
        lost += r.lost ? r.end - r.begin : 0;
        for (; at < r.end && !r.lost; at++) {
            assert_true(frame_next(&it, &data));
            check_record(&r, at, data);
        }
        at = r.end;
    }
    object_reader_close(&r);
    assert_int_equal(got, 0);
    assert_int_equal(at, count);
    return lost;
}

static void what_is_flushed_is_read_however_it_is_cut_into_blocks(void **state)
{
    struct bench *b = *state;

    for (uint64_t every = 1; every <= RECORDS; every = every * 3 + 1) {
        open_file(b, 0);
        assert_int_equal(check_all(b, 0), 0);
        for (uint64_t i = 0; i < RECORDS; i++) {
            add_run(b, i, i + 1);
            if (i % every == 0)
                flush(b);
        }
        flush(b);
        flush(b); /* nothing more */
        assert_int_equal(parcel_file_sync(b->f, &b->e), 0);
        assert_int_equal(check_all(b, RECORDS), 0);
    }
}

static void readers_do_not_disturb_one_another(void **state)
{
    struct bench *b = *state;
    const struct object o = {.first = 1000, .last = 1100};
    struct object_source s;
    struct object_reader one, other;
    struct parcel_mark mark;
    struct buf raw;
    int got;

    buf_init(&raw, WORKER_RAW_MAX);
    open_file(b, 0);
    for (uint64_t i = 0; i < RECORDS; i += 10) {
        add_run(b, i, i + 10);
        flush(b);
    }
    mark = parcel_file_mark(b->f);
    s = object_source_staged(&o, b->path, &mark);
    object_reader_open(&one, &s, &b->raw, NULL);
    object_reader_open(&other, &s, &raw, NULL);
    while ((got = object_reader_next(&one, &b->e)) > 0) {
        assert_int_equal(object_reader_next(&other, &b->e), 1);
        assert_int_equal(one.begin, other.begin);
    }
    assert_int_equal(got, 0);
    object_reader_rewind(&one);
    assert_int_equal(object_reader_next(&one, &b->e), 1);
    assert_int_equal(one.begin, 0);
    object_reader_close(&one);
    object_reader_close(&other);
    buf_release(&raw);
}

/* At each length that the journal may know, with anything behind it. */
static void behind_the_length_in_the_journal_nothing_counts(void **state)
{
    struct bench *b = *state;
    uint64_t lengths[4] = {0}, counts[4] = {0};

    open_file(b, 0);
    for (uint64_t i = 0; i < 3; i++) {
        add_run(b, i * 10, i * 10 + 10);
        flush(b);
        lengths[i + 1] = parcel_file_mark(b->f).length;
        counts[i + 1] = parcel_file_mark(b->f).count;
    }
    for (int i = 3; i >= 0; i--) {
        int fd = open(b->path, O_WRONLY | O_APPEND);

        assert_int_equal(write(fd, "half a block", 12), 12);
        close(fd);
        open_file(b, lengths[i]);
        assert_int_equal(parcel_file_mark(b->f).count, counts[i]);
        assert_int_equal(check_all(b, counts[i]), 0);
        add_run(b, counts[i], counts[i] + 25); /* and it goes on */
        flush(b);
        assert_int_equal(check_all(b, counts[i] + 25), 0);
        open_file(b, parcel_file_mark(b->f).length);
        assert_int_equal(check_all(b, counts[i] + 25), 0);
    }
}

static int look(struct bench *b, uint64_t length, struct parcel_mark *good)
{
    int rc = parcel_file_look(NULL, b->path, length, good, &b->e);

    if (rc < 0)
        assert_int_equal(b->e.code, ERR_FORMAT);
    return rc;
}

/* What is in front of the damage can still be read. */
static void a_file_that_is_shorter_or_not_there_is_damaged(void **state)
{
    struct bench *b = *state;
    struct parcel_mark good;
    struct blocks of;
    uint64_t length;

    write_file(b, 20, 10, &of);
    length = parcel_file_mark(b->f).length;
    for (uint64_t n = length - 1; n > 0; n--) {
        uint64_t whole = 0;

        while (of.at[whole + 1] <= n)
            whole++;
        assert_int_equal(truncate(b->path, (off_t)n), 0);
        assert_int_equal(look(b, length, &good), -1);
        assert_int_equal(good.length, of.at[whole]);
        assert_int_equal(good.count, of.first[whole]);
        go_on_from(b, NULL, &good);
        assert_int_equal(check_all(b, good.count), 0);
    }
    go_on_from(b, NULL, &(struct parcel_mark){.length = length, .count = 20});
    assert_int_equal(add(b, 20), 0);
    assert_int_equal(parcel_file_flush(b->f, &b->e), -1); /* nobody appends behind what is missing */
    assert_int_equal(b->e.code, ERR_FORMAT);
    unlink(b->path);
    assert_int_equal(look(b, length, &good), -1);
    assert_int_equal(good.count, 0);
    go_on_from(b, NULL, &(struct parcel_mark){.length = length, .count = 20});
    assert_int_equal(check_all(b, 20), 20);
    for (uint64_t n = 1; n < length; n++) { /* the journal's length is none of a block's end */
        write_file(b, 20, 20, &of);
        if (!is_block_end(&of, n))
            assert_int_equal(look(b, n, &good), -1);
    }
}

/* Each byte in turn: nothing else is read in its place, all others are read, and never is something made up. */
static void damage_costs_the_records_of_its_block_or_those_behind_it(void **state)
{
    struct bench *b = *state;
    struct blocks of;
    int fd;

    write_file(b, 30, 10, &of);
    assert_true(of.n >= 3);
    fd = open(b->path, O_RDWR);
    assert_true(fd >= 0);
    for (uint64_t i = 0; i < of.n; i++)
        for (uint64_t at = of.at[i]; at < of.at[i + 1]; at++) {
            bool in_header = at < of.at[i] + 40;
            char was, is;

            assert_int_equal(pread(fd, &was, 1, (off_t)at), 1);
            is = (char)(was ^ 0x10);
            assert_int_equal(pwrite(fd, &is, 1, (off_t)at), 1);
            assert_int_equal(check_all(b, 30), (in_header ? 30 : of.first[i + 1]) - of.first[i]);
            assert_int_equal(pwrite(fd, &was, 1, (off_t)at), 1);
        }
    close(fd);
    assert_int_equal(check_all(b, 30), 0);
}

struct told {
    unsigned places;
    uint64_t offset;
};

static void note_told(void *ctx, uint64_t offset, const char *what)
{
    struct told *told = ctx;

    assert_non_null(what);
    told->offset = offset;
    told->places++;
}

static struct told check_file(struct bench *b, uint64_t length, uint64_t *counted)
{
    struct told told = {0};

    if (parcel_file_check(b->path, length, note_told, &told, counted, &b->e) < 0)
        fail_msg("%s", b->e.msg);
    return told;
}

/* Of 30 records every third is in the books. */
static void whatever_is_damaged_is_said_once_and_with_its_place(void **state)
{
    struct bench *b = *state;
    uint64_t length, counted;
    struct blocks of;
    struct told told;
    int fd;

    write_file(b, 30, 6, &of);
    length = parcel_file_mark(b->f).length;
    assert_int_equal(check_file(b, length, &counted).places, 0);
    assert_int_equal(counted, 10);
    assert_int_equal(check_file(b, of.at[2], &counted).places, 0); /* behind it nothing counts */
    assert_int_equal(counted, of.first[2] / 3);
    fd = open(b->path, O_RDWR);
    assert_true(fd >= 0);
    for (uint64_t i = 0; i < of.n; i++)
        for (uint64_t at = of.at[i]; at < of.at[i + 1]; at++) {
            bool in_header = at < of.at[i] + 40;
            char was, is;

            assert_int_equal(pread(fd, &was, 1, (off_t)at), 1);
            is = (char)(was ^ 0x10);
            assert_int_equal(pwrite(fd, &is, 1, (off_t)at), 1);
            told = check_file(b, length, &counted);
            assert_int_equal(told.places, 1);
            assert_int_equal(told.offset, of.at[i]);
            if (in_header)
                assert_true(counted <= (of.first[i] + 2) / 3);
            else
                assert_in_range(counted, 10 - (of.first[i + 1] - of.first[i] + 2) / 3,
                                9 + (of.first[i + 1] - of.first[i] < 3));
            assert_int_equal(pwrite(fd, &was, 1, (off_t)at), 1);
        }
    close(fd);
    for (uint64_t n = length - 1; n > 0; n--) {
        assert_int_equal(truncate(b->path, (off_t)n), 0);
        told = check_file(b, length, &counted);
        assert_int_equal(told.places, 1);
        assert_int_equal(told.offset, n);
        assert_true(counted <= 10);
    }
    unlink(b->path);
    assert_int_equal(check_file(b, length, &counted).places, 1);
    assert_int_equal(counted, 0);
    assert_int_equal(mkfifo(b->path, 0600), 0); /* which would hold whoever opens it */
    assert_int_equal(parcel_file_check(b->path, length, note_told, &told, &counted, &b->e), -1);
}

static void a_piece_that_is_given_up_is_not_there(void **state)
{
    struct bench *b = *state;
    struct parcel_mark mark;

    open_file(b, 0);
    add_run(b, 0, 11);
    flush(b);
    mark = parcel_file_mark(b->f);
    add_run(b, 100, 120);
    flush(b);
    add_run(b, 120, 121); /* not flushed */
    go_on_from(b, NULL, &mark);
    assert_int_equal(check_all(b, 11), 0);
    add_run(b, 11, 30);
    flush(b);
    assert_int_equal(check_all(b, 30), 0);
    go_on_from(b, NULL, &(struct parcel_mark){0});
    add_run(b, 0, 7);
    flush(b);
    open_file(b, parcel_file_mark(b->f).length);
    assert_int_equal(check_all(b, 7), 0);
}

static void a_descriptor_is_there_when_it_is_needed(void **state)
{
    struct bench *b = *state;

    open_file(b, 0);
    assert_int_equal(add(b, 0), 0);
    assert_false(parcel_file_is_open(b->f));
    flush(b);
    assert_true(parcel_file_is_open(b->f));
    open_file(b, parcel_file_mark(b->f).length);
    assert_false(parcel_file_is_open(b->f));
}

/* --- a disk that fails ------------------------------------------------------------------------------------------- */

static int calls_left, kind;

static ssize_t failing_pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
    struct iovec half = {v->iov_base, v->iov_len / 2};

    if (kind != 0 || calls_left-- != 0)
        return io_ops_real.pwritev(fd, v, count, offset);
    if (half.iov_len > 0) /* a part of it arrives, as on a disk that becomes full */
        (void)!io_ops_real.pwritev(fd, &half, 1, offset);
    errno = ENOSPC;
    return -1;
}

static ssize_t failing_pread(int fd, void *p, size_t n, off_t offset)
{
    if (kind == 1 && calls_left-- == 0) {
        errno = EIO;
        return -1;
    }
    return io_ops_real.pread(fd, p, n, offset);
}

static int failing_fdatasync(int fd)
{
    if (kind == 2 && calls_left-- == 0) {
        errno = EIO;
        return -1;
    }
    return io_ops_real.fdatasync(fd);
}

static int stage(struct bench *b, uint64_t from, uint64_t to)
{
    for (; from < to; from++)
        if (add(b, from) < 0)
            return -1;
    return parcel_file_flush(b->f, &b->e) < 0 ? -1 : parcel_file_sync(b->f, &b->e);
}

/* Whichever write or sync fails: the piece is given up and comes again. */
static void a_disk_that_fails_leaves_what_was_there(void **state)
{
    struct bench *b = *state;
    struct io_ops ops = io_ops_real;

    ops.pwritev = failing_pwritev;
    ops.fdatasync = failing_fdatasync;
    for (kind = 0; kind <= 2; kind += 2)
        for (int n = 0; n < 4; n++) {
            unsigned failures = 0;

            go_on_from(b, &ops, &(struct parcel_mark){0});
            calls_left = n;
            for (uint64_t i = 0; i < 3; i++) {
                struct parcel_mark mark = parcel_file_mark(b->f);

                while (stage(b, i * 3, i * 3 + 3) < 0) {
                    failures++;
                    go_on_from(b, &ops, &mark);
                }
            }
            assert_int_equal(failures, n < 3);
            assert_int_equal(check_all(b, 9), 0);
        }
}

static void a_read_that_fails_is_an_error_and_no_damage(void **state)
{
    struct bench *b = *state;
    struct io_ops ops = io_ops_real;
    const struct record_origin from = {.seq = 1};
    struct parcel_place p = {0, 0};
    struct record_chunk c;
    size_t n = 2 * PARCEL_READ_AHEAD; /* so it takes two reads */
    char *long_one = malloc(n);

    assert_non_null(long_one);
    for (size_t i = 0; i < n; i++)
        long_one[i] = (char)('a' + i % 26);
    ops.pread = failing_pread;
    kind = 1;
    go_on_from(b, &ops, &(struct parcel_mark){0});
    assert_int_equal(parcel_file_add(b->f, slice_of(long_one, n), &from, &b->e), 0);
    flush(b);
    for (int failing = 0; failing < 2; failing++) {
        calls_left = failing;
        assert_int_equal(parcel_file_read(b->f, &p, &b->raw, &c, &b->e), -1);
        assert_int_equal(b->e.code, ERR_IO);
        assert_int_equal(p.at, 0);
    }
    assert_int_equal(parcel_file_read(b->f, &p, &b->raw, &c, &b->e), 1);
    assert_memory_equal(c.v.payload.p, long_one, n);
    free(long_one);
}

/* What is read ahead is of the blocks behind, too, and of them no more than is flushed. */
static void small_blocks_are_read_many_at_a_time(void **state)
{
    struct bench *b = *state;
    struct io_ops ops = io_ops_real;
    struct parcel_place p = {0, 0};
    struct record_chunk c;
    uint64_t count = 0, reads;

    ops.pread = failing_pread;
    kind = 1;
    go_on_from(b, &ops, &(struct parcel_mark){0});
    for (uint64_t i = 0; i < RECORDS; i++) {
        add_run(b, i, i + 1);
        flush(b);
    }
    calls_left = 1 << 30;
    while (parcel_file_read(b->f, &p, &b->raw, &c, &b->e) == 1)
        count += c.v.count;
    reads = (uint64_t)((1 << 30) - calls_left);
    assert_int_equal(count, RECORDS);
    assert_int_equal(p.at, parcel_file_mark(b->f).length);
    assert_true(reads >= p.at / PARCEL_READ_AHEAD && reads <= 2 * (p.at / PARCEL_READ_AHEAD) + 2);
    assert_int_equal(check_all(b, RECORDS), 0);
}

/* Of the disk's space some is taken ahead, in few steps, and the file is no longer for it; a disk without it does. */
static unsigned reserves;
static off_t reserved;
static int reserve_fails;

static int counting_reserve(int fd, off_t size)
{
    (void)fd;
    reserves++;
    reserved = size;
    errno = ENOSPC;
    return reserve_fails ? -1 : 0;
}

static void a_file_that_grows_takes_its_space_ahead(void **state)
{
    struct bench *b = *state;
    struct io_ops ops = io_ops_real;
    const struct record_origin from = {.seq = 1};
    char part[PARCEL_BLOCK_BYTES / 16];

    ops.reserve = counting_reserve;
    memset(part, 'x', sizeof(part));
    for (reserve_fails = 0; reserve_fails < 2; reserve_fails++) {
        reserves = 0;
        go_on_from(b, &ops, &(struct parcel_mark){0});
        for (int i = 0; i < 64; i++) {
            struct parcel_mark mark = parcel_file_mark(b->f);

            if (i % 3 == 0)
                go_on_from(b, &ops, &mark);
            assert_int_equal(parcel_file_add(b->f, slice_of(part, sizeof(part)), &from, &b->e), 0);
            flush(b);
            assert_int_equal(file_stamp_of(b->path).size, parcel_file_mark(b->f).length);
            assert_true(reserves == 0 || (uint64_t)reserved >= parcel_file_mark(b->f).length);
        }
        assert_true(reserves <= 8);
    }
}

static void a_record_of_any_size_goes_through(void **state)
{
    struct bench *b = *state;
    const struct record_origin from = {.seq = 1};
    const struct object o = {.first = 1, .last = 3};
    struct object_source s;
    struct object_reader r;
    struct parcel_mark mark;
    char *large = malloc(PARCEL_RECORD_MAX_BYTES);

    assert_non_null(large);
    memset(large, 'x', PARCEL_RECORD_MAX_BYTES);
    open_file(b, 0);
    assert_int_equal(parcel_file_add(b->f, SLICE("small"), &from, &b->e), 0);
    assert_int_equal(parcel_file_add(b->f, slice_of(large, PARCEL_RECORD_MAX_BYTES), &from, &b->e), 0);
    assert_int_equal(parcel_file_add(b->f, slice_of(NULL, 0), &from, &b->e), 0);
    flush(b);
    mark = parcel_file_mark(b->f);
    s = object_source_staged(&o, b->path, &mark);
    assert_int_equal(s.bytes, 6 + PARCEL_RECORD_MAX_BYTES + 1 + 1);
    object_reader_open(&r, &s, &b->raw, NULL);
    for (uint64_t at = 0; at < 3;) {
        struct frame_iter it;
        struct slice data;

        if (object_reader_next(&r, &b->e) != 1)
            fail_msg("%s", b->e.msg);
        assert_false(r.lost);
        it = object_reader_records(&r, at);
        for (; at < r.end; at++) {
            assert_true(frame_next(&it, &data));
            assert_int_equal(data.n, at == 0 ? 5 : at == 1 ? PARCEL_RECORD_MAX_BYTES : 0);
        }
    }
    assert_int_equal(object_reader_next(&r, &b->e), 0);
    object_reader_close(&r);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_flushed_is_read_however_it_is_cut_into_blocks, set_up, take_down),
        cmocka_unit_test_setup_teardown(readers_do_not_disturb_one_another, set_up, take_down),
        cmocka_unit_test_setup_teardown(behind_the_length_in_the_journal_nothing_counts, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_shorter_or_not_there_is_damaged, set_up, take_down),
        cmocka_unit_test_setup_teardown(damage_costs_the_records_of_its_block_or_those_behind_it, set_up, take_down),
        cmocka_unit_test_setup_teardown(whatever_is_damaged_is_said_once_and_with_its_place, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_piece_that_is_given_up_is_not_there, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_descriptor_is_there_when_it_is_needed, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_disk_that_fails_leaves_what_was_there, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_read_that_fails_is_an_error_and_no_damage, set_up, take_down),
        cmocka_unit_test_setup_teardown(small_blocks_are_read_many_at_a_time, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_file_that_grows_takes_its_space_ahead, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_record_of_any_size_goes_through, set_up, take_down),
    };

    return cmocka_run_group_tests_name("parcel_file", tests, NULL, NULL);
}
