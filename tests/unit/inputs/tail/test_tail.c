#include "tests/unit/inputs/input_rig.h"
#include "tests/support/zstd_window.h"

#include "pipeline/inputs/lines.h"
#include "pipeline/inputs/tail/packed.h"
#include "pipeline/inputs/tail/tail.h"

#include <stdatomic.h>

#include <zlib.h>

static struct tail_conf conf;
static char *paths[4];

static void follow(struct rig *r, const char *path)
{
    mem_free(paths[conf.paths.n]);
    paths[conf.paths.n] = mem_strdup(rig_path(r, path));
    conf.paths.v = paths;
    conf.paths.n++;
}

static int setup(void **state)
{
    struct rig *r = mem_alloc(sizeof(*r));

    rig_init(r, "tail");
    conf = (struct tail_conf){.start = TAIL_START_BEGINNING,
                              .last_line = 100 * NSEC_PER_MSEC,
                              .rescan = NSEC_PER_SEC,
                              .multiline.timeout = 100 * NSEC_PER_MSEC,
                              .max_open_files = 64,
                              .follow_symlinks = true};
    r->conf = &conf;
    follow(r, "*.log");
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    rig_release(r);
    mem_free(r);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        MEM_CLEAR(paths[i]);
    return 0;
}

static void lines_that_are_there_and_lines_that_come(void **state)
{
    struct rig *r = *state;

    rig_append(r, "a.log", "one\ntwo\n");
    rig_start(r);
    rig_expect(r, "one|two|");
    rig_append(r, "a.log", "three\n");
    rig_expect(r, "three|");
    rig_append(r, "b.log", "new file\n");
    rig_expect(r, "new file|");
}

static void start_at_the_end_skips_what_is_there_but_not_what_comes(void **state)
{
    struct rig *r = *state;

    conf.start = TAIL_START_END;
    rig_append(r, "a.log", "old\nhal");
    rig_start(r);
    rig_append(r, "a.log", "f\nnew\n");
    rig_expect(r, "half|new|");
    rig_append(r, "b.log", "from its beginning\n");
    rig_expect(r, "from its beginning|");
}

static void where_the_end_was_is_known_after_a_restart_without_a_record(void **state)
{
    struct rig *r = *state;

    conf.start = TAIL_START_END;
    rig_append(r, "a.log", "old\n");
    rig_start(r);
    rig_stop(r);
    rig_append(r, "a.log", "while away\n");
    rig_append(r, "b.log", "new while away\n");
    rig_start(r);
    rig_wait_incoming(r, 2);
    rig_append(r, "a.log", "now\n");
    rig_wait_incoming(r, 3);
    assert_int_equal(rig_incoming(r), 3);
}

static void bytes_pass_as_they_are(void **state)
{
    static const char raw[] = "cr\r\n\rx\ry\n\0nul\0\n\xff\xfe\n\n";
    struct rig *r = *state;
    struct buf got;

    rig_write_n(r, "a.log", raw, sizeof(raw) - 1, O_APPEND);
    rig_start(r);
    rig_wait_incoming(r, 5);
    buf_init(&got, MIB);
    rig_take(r, &got);
    assert_true(slice_eq(buf_slice(&got), SLICE("cr\r|\rx\ry|\0nul\0|\xff\xfe||")));
    buf_release(&got);
}

static void a_last_line_without_newline_comes_after_its_grace_time(void **state)
{
    struct rig *r = *state;

    rig_append(r, "a.log", "one\ntw");
    rig_start(r);
    rig_expect(r, "one|");
    rig_expect(r, "tw|");
    rig_append(r, "a.log", "o\nthree\n");
    rig_expect(r, "o|three|");
    rig_append(r, "a.log", "four");
    rig_expect(r, "four|");
    rig_append(r, "a.log", "\nfive\n"); /* only the newline was missing: no empty record */
    rig_expect(r, "five|");
}

static void positions_survive_a_restart(void **state)
{
    struct rig *r = *state;

    rig_append(r, "a.log", "one\npartial");
    rig_start(r);
    rig_expect(r, "one|partial|");
    rig_stop(r);
    rig_append(r, "a.log", "\ntwo\n");
    rig_append(r, "new.log", "while we were away\n");
    rig_start(r);
    rig_wait_incoming(r, 4);
    rig_append(r, "a.log", "three\n");
    rig_wait_incoming(r, 5);
    assert_int_equal(rig_incoming(r), 5);
}

static void rotation_by_rename_loses_and_repeats_nothing(void **state)
{
    struct rig *r = *state;

    rig_append(r, "a.log", "1\n");
    rig_start(r);
    rig_expect(r, "1|");
    rig_append(r, "a.log", "2\n");
    rig_rename(r, "a.log", "a.log.1");
    rig_append(r, "a.log.1", "3\n");
    rig_expect(r, "2|3|");
    rig_append(r, "a.log", "4\n");
    rig_expect(r, "4|");
    rig_append(r, "a.log.1", "5\n");
    rig_expect(r, "5|");
}

static void a_file_that_was_rotated_while_we_were_away_is_read_to_its_end(void **state)
{
    struct rig *r = *state;

    rig_append(r, "a.log", "1\n");
    rig_start(r);
    rig_expect(r, "1|");
    rig_stop(r);
    rig_append(r, "a.log", "2\n");
    rig_rename(r, "a.log", "a.log.1");
    rig_append(r, "a.log", "3\n");
    rig_start(r);
    rig_wait_incoming(r, 3);
    rig_append(r, "a.log", "4\n");
    rig_wait_incoming(r, 4);
    assert_int_equal(rig_incoming(r), 4);
}

static void copytruncate_is_noticed_also_when_the_file_is_as_long_again(void **state)
{
    struct rig *r = *state;

    rig_append(r, "a.log", "one\ntwo\n");
    rig_start(r);
    rig_expect(r, "one|two|");
    assert_int_equal(truncate(rig_path(r, "a.log"), 0), 0);
    rig_append(r, "a.log", "six\n");
    rig_expect(r, "six|");
    rig_write_n(r, "a.log", "a longer line than before\n", 26, O_TRUNC);
    rig_expect(r, "a longer line than before|");
}

static void the_copy_of_a_file_that_is_truncated_is_not_read_again(void **state)
{
    struct rig *r = *state;

    follow(r, "*.log.*");
    rig_append(r, "a.log", "one\ntwo\n");
    rig_start(r);
    rig_expect(r, "one|two|");
    /* With more than its original ever had, it may only be seen when that is truncated. */
    rig_append(r, "copy", "one\ntwo\nnot read before\n");
    assert_int_equal(truncate(rig_path(r, "a.log"), 0), 0);
    rig_rename(r, "copy", "a.log.1");
    rig_expect(r, "not read before|");
    rig_append(r, "a.log", "three\n");
    rig_expect(r, "three|");
    rig_append(r, "a.log.2", "one\ntw0\n"); /* no copy */
    rig_expect(r, "one|tw0|");
}

/* Meanwhile each file was emptied and filled anew, and a copy of that was made, which may be looked at first; none of them is emptied yet. */
static void the_copy_of_what_came_while_nobody_looked_is_not_read_again(void **state)
{
    static const char *const names[] = {"a.log", "b.log", "c.log", "d.log", "e.log", "f.log", "g.log", "h.log"};
    struct rig *r = *state;
    char copy[16];

    conf.paths.n = 0;
    follow(r, "*.log*");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        rig_append(r, names[i], "one\ntwo\n");
    rig_start(r);
    rig_wait_incoming(r, 2 * ARRAY_LEN(names));
    rig_stop(r);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(copy, sizeof(copy), "%s.1", names[i]);
        rig_write_n(r, names[i], "three\n", 6, O_TRUNC);
        rig_append(r, copy, "three\n");
    }
    rig_start(r);
    rig_wait_incoming(r, 3 * ARRAY_LEN(names));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        rig_write_n(r, names[i], "4\n", 2, O_TRUNC);
        rig_wait_incoming(r, 3 * ARRAY_LEN(names) + i + 1);
    }
    rig_append(r, "h.log.1", "five\n");
    rig_wait_incoming(r, 4 * ARRAY_LEN(names) + 1);
    assert_int_equal(rig_incoming(r), 4 * ARRAY_LEN(names) + 1);
}

static void zeros_that_a_truncation_leaves_are_left_out(void **state)
{
    struct rig *r = *state;
    int fd;

    rig_append(r, "a.log", "0123456789\n");
    rig_start(r);
    rig_expect(r, "0123456789|");
    fd = open(rig_path(r, "a.log"), O_WRONLY);
    assert_int_equal(truncate(rig_path(r, "a.log"), 0), 0);
    assert_int_equal(pwrite(fd, "on\n", 3, 11), 3);
    rig_expect(r, "on|");
    close(fd);
    assert_int_equal(metrics_get(&r->metrics, METRIC_INPUT_SKIPPED_BYTES), 11);
}

/* What the power left of a file, and what was written behind it then. */
static void holes_between_lines_are_left_out(void **state)
{
    struct rig *r = *state;
    const char *name = "a.log";
    int fd;

    rig_append(r, name, "one\ntorn");
    fd = open(rig_path(r, name), O_WRONLY);
    assert_int_equal(ftruncate(fd, 100000), 0);
    if (lseek(fd, 8, SEEK_HOLE) >= 100000) { /* no file system that knows of holes */
        close(fd);
        skip();
    }
    rig_start(r);
    rig_expect(r, "one|");  /* more may be written into the room */
    rig_expect(r, "torn|"); /* by and by it is a line */
    assert_int_equal(pwrite(fd, "two\nthr", 7, 100005), 7);
    rig_expect(r, "two|thr|");
    assert_int_equal(pwrite(fd, "ee\n", 3, 400000), 3);
    rig_expect(r, "ee|");
    rig_stop(r);
    assert_int_equal(pwrite(fd, "four\n\0\0\0\n", 9, 400003), 9); /* these somebody wrote */
    rig_start(r);
    rig_wait_incoming(r, 7);
    assert_int_equal(rig_incoming_bytes(r), strlen("onetorntwothreefour") + 3);
    close(fd);
}

/* Room for more is no reason to end a record, and none to wait for ever. */
static void a_record_of_several_lines_in_front_of_a_hole_ends_by_its_time(void **state)
{
    static const off_t sizes[] = {2 * TAIL_READ_BYTES, 2 * LINES_READ_MAX};
    struct rig *r = *state;

    conf.multiline.start = mem_strdup("^S");
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        int fd = open(rig_path(r, "a.log"), O_RDWR | O_CREAT, 0600);

        assert_int_equal(write(fd, "S1\n a\n", 6), 6);
        assert_int_equal(ftruncate(fd, sizes[i]), 0);
        if (lseek(fd, 4, SEEK_HOLE) >= sizes[i]) { /* no file system that knows of holes */
            close(fd);
            break;
        }
        rig_start(r);
        rig_expect(r, "S1\n a|");
        assert_int_equal(metrics_get(&r->metrics, METRIC_INPUT_SPLIT_LINES), 0);
        rig_stop(r);
        remove(rig_path(r, "a.log"));
        close(fd);
    }
    mem_free(conf.multiline.start);
}

static void utf_16_becomes_utf_8(void **state)
{
    struct rig *r = *state;

    rig_write_n(r, "a.log",
                "\xff\xfe"
                "a\0\n\0\x0a\x01\n",
                9, O_APPEND);
    rig_start(r);
    rig_expect(r, "a|");
    rig_write_n(r, "a.log", "\0b\0", 3, O_APPEND);
    rig_expect(r, "\xc4\x8a|b|");
    rig_stop(r);
    rig_write_n(r, "a.log", "\n\0c\0\n\0", 6, O_APPEND);
    rig_start(r);
    rig_expect(r, "c|");
}

/* A writer that pauses there, for longer than a last line waits. */
static void half_a_character_waits_for_its_other_half(void **state)
{
    struct rig *r = *state;

    rig_write_n(r, "a.log",
                "\xff\xfe"
                "a\0b",
                5, O_APPEND);
    rig_start(r);
    rig_expect(r, "a|"); /* the line so far, after its time */
    rig_write_n(r, "a.log", "\0\n\0c\0\n\0\x3d\xd8", 9, O_APPEND);
    rig_expect(r, "b|c|");
    rig_write_n(r, "a.log", "\0\xde\n\0d\0\n\0", 8, O_APPEND);
    rig_expect(r, "\xf0\x9f\x98\x80|d|");
}

static void a_deleted_file_is_read_to_its_end(void **state)
{
    struct rig *r = *state;
    int fd;

    rig_append(r, "a.log", "1\n");
    rig_start(r);
    rig_expect(r, "1|");
    fd = open(rig_path(r, "a.log"), O_WRONLY | O_APPEND);
    assert_int_equal(unlink(rig_path(r, "a.log")), 0);
    assert_int_equal(write(fd, "2\n", 2), 2);
    close(fd);
    rig_expect(r, "2|");
    rig_append(r, "a.log", "3\n");
    rig_expect(r, "3|");
}

static void a_symbolic_link_is_followed_when_it_is_switched(void **state)
{
    struct rig *r = *state;

    rig_append(r, "first.txt", "1\n");
    rig_append(r, "second.txt", "2\n");
    assert_int_equal(symlink("first.txt", rig_path(r, "current.log")), 0);
    rig_start(r);
    rig_expect(r, "1|");
    assert_int_equal(symlink("second.txt", rig_path(r, "next.tmp")), 0);
    rig_rename(r, "next.tmp", "current.log");
    rig_expect(r, "2|");
    rig_append(r, "first.txt", "3\n");
    rig_expect(r, "3|");
    rig_append(r, "second.txt", "4\n");
    rig_expect(r, "4|");
}

static void lines_at_the_record_limit_and_over_it(void **state)
{
    static const size_t lengths[] = {LINE_MAX_BYTES - 1, LINE_MAX_BYTES, LINE_MAX_BYTES + 1, 2 * LINE_MAX_BYTES,
                                     3 * LINE_MAX_BYTES + 5};
    static const size_t want[] = {LINE_MAX_BYTES - 1,
                                  LINE_MAX_BYTES,
                                  LINE_MAX_BYTES,
                                  1,
                                  LINE_MAX_BYTES,
                                  LINE_MAX_BYTES,
                                  LINE_MAX_BYTES,
                                  LINE_MAX_BYTES,
                                  LINE_MAX_BYTES,
                                  5,
                                  3};
    struct rig *r = *state;
    struct buf got;
    const char *p;

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        char *line = mem_alloc(lengths[i] + 1);

        memset(line, 'x', lengths[i]);
        line[lengths[i]] = '\n';
        rig_write_n(r, "a.log", line, lengths[i] + 1, O_APPEND);
        mem_free(line);
    }
    rig_append(r, "a.log", "end\n");
    rig_start(r);
    rig_wait_incoming(r, ARRAY_LEN(want));
    buf_init(&got, 16 * MIB);
    rig_take(r, &got);
    p = got.p;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_int_equal(strcspn(p, "|"), want[i]);
        p += want[i] + 1;
    }
    assert_int_equal(p - got.p, got.n);
    assert_int_equal(metrics_get(&r->metrics, METRIC_INPUT_SPLIT_LINES), 3);
    buf_release(&got);
}

static void more_files_than_handles(void **state)
{
    struct rig *r = *state;
    char name[32];

    conf.max_open_files = 3;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "%d.log", i);
        rig_append(r, name, "x\n");
    }
    rig_start(r);
    rig_wait_incoming(r, 200);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "%d.log", i);
        rig_append(r, name, "y\n");
    }
    rig_wait_incoming(r, 400);
    assert_int_equal(rig_incoming(r), 400);
}

/* Others have taken nearly all of them: two are always there. */
static void more_files_than_descriptors(void **state)
{
    struct rig *r = *state;
    struct budget descriptors;
    char name[32];

    for (size_t limit = 0; limit < 3; limit++) {
        budget_init(&descriptors, limit);
        r->descriptors = &descriptors;
        for (int i = 0; i < 50; i++) {
            snprintf(name, sizeof(name), "%d.log", i);
            rig_append(r, name, "x\n");
        }
        rig_start(r);
        rig_wait_incoming(r, 50 * (limit + 1));
        assert_int_equal(rig_incoming(r), 50 * (limit + 1));
        assert_int_equal(descriptors.used, limit);
        rig_stop(r);
        assert_int_equal(descriptors.used, 0);
    }
}

static void once_reads_everything_and_says_so(void **state)
{
    struct rig *r = *state;

    conf.start = TAIL_START_END; /* does not matter with once */
    r->once = true;
    rig_append(r, "a.log", "one\ntwo");
    rig_append(r, "b.log", "");
    rig_start(r);
    rig_wait_finished(r);
    rig_expect(r, "one|two|");
    rig_stop(r);
    rig_append(r, "a.log", "\nthree");
    rig_start(r);
    rig_wait_finished(r);
    assert_int_equal(rig_incoming(r), 3);
}

struct looks {
    struct rig *r;
    uint64_t count;
};

static void count_looks(void *arg)
{
    struct looks *l = arg;

    l->count = ((struct tail *)(void *)l->r->in)->look; /* its first member */
}

/* Also when a look takes so long that the next one is due at once. */
static void once_looks_once_when_nothing_is_missing(void **state)
{
    struct rig *r = *state;
    struct looks looks = {.r = r};

    conf.rescan = 1;
    r->once = true;
    rig_append(r, "a.log", "one\n");
    rig_start(r);
    rig_wait_finished(r);
    rig_expect(r, "one|");
    loop_call(r->loop, count_looks, &looks);
    assert_int_equal(looks.count, 1);
}

static void once_reads_lines_that_are_longer_than_one_read(void **state)
{
    size_t n = 3 * TAIL_READ_BYTES;
    char *line = mem_alloc(n);
    struct rig *r = *state;

    memset(line, 'x', n);
    rig_write_n(r, "a.log", line, n, O_APPEND);
    rig_append(r, "a.log", "\nbehind it\n");
    for (size_t i = 1; i < n; i += 2)
        line[i] = '\0';
    rig_write_n(r, "b.log", "\xff\xfe", 2, O_APPEND);
    rig_write_n(r, "b.log", line, n, O_APPEND);
    rig_write_n(r, "b.log", "\n\0b\0", 4, O_APPEND);
    mem_free(line);
    r->once = true;
    rig_start(r);
    rig_wait_finished(r);
    assert_int_equal(rig_incoming(r), 4);
}

static void records_of_several_lines_wait_for_the_next_or_the_time(void **state)
{
    struct rig *r = *state;

    conf.multiline.start = mem_strdup("^S");
    rig_append(r, "a.log", "S1\n a\nS2\n");
    rig_start(r);
    rig_expect(r, "S1\n a|");
    rig_expect(r, "S2|");
    rig_append(r, "a.log", " b\n");
    rig_expect(r, " b|");
    rig_append(r, "a.log", "S3\n c\n d"); /* the last line has no end */
    rig_expect(r, "S3\n c\n d|");
    rig_append(r, "a.log", "\nS4\n");
    rig_expect(r, "S4|");
    mem_free(conf.multiline.start);
}

/* What is stored begins with the record that was open: also when it was a kill, and nothing was ended. */
static void a_record_that_was_open_begins_anew(void **state)
{
    struct rig *r = *state;

    conf.multiline.start = mem_strdup("^S");
    conf.multiline.timeout = conf.last_line = 3600 * NSEC_PER_SEC;
    rig_append(r, "a.log", "S1\nS2\n a\nhalf");
    rig_start(r);
    rig_expect(r, "S1|");
    rig_turn(r); /* it has read to the end */
    rig_stop(r); /* whole lines are delivered, as nobody knows whether there is a next start */
    rig_append(r, "a.log", " b\nS3\nS4\n");
    rig_start(r);
    rig_wait_incoming(r, 4);
    assert_int_equal(rig_incoming(r), 4);
    mem_free(conf.multiline.start);
}

/* On the loop: the file has grown, and its turn has not come when the stop does. */
struct stopping {
    struct rig *r;
    bool was_ready;
    uint64_t read_to;
};

static void grow_and_stop(void *arg)
{
    struct stopping *s = arg;
    struct tail *t = (struct tail *)(void *)s->r->in; /* its first member */
    struct tail_file *f = TAILQ_FIRST(&t->unfinished);

    rig_append(s->r, "a.log", " b\n");
    tail_wake(t, f);
    s->was_ready = TAILQ_FIRST(&t->ready) == f;
    tail_end_records(t);
    s->read_to = f->read.offset; /* by this, not by a turn that may come no more */
}

static void a_stop_ends_the_record_of_a_file_that_has_just_grown(void **state)
{
    struct rig *r = *state;
    struct stopping s = {.r = r};

    conf.multiline.start = mem_strdup("^S");
    conf.multiline.timeout = conf.last_line = 3600 * NSEC_PER_SEC;
    rig_append(r, "a.log", "S1\nS2\n a\n");
    rig_start(r);
    rig_expect(r, "S1|");
    rig_turn(r);
    loop_call(r->loop, grow_and_stop, &s);
    assert_true(s.was_ready);
    assert_int_equal(s.read_to, strlen("S1\nS2\n a\n b\n"));
    rig_expect(r, "S2\n a\n b|");
    mem_free(conf.multiline.start);
}

static void once_ends_what_is_open(void **state)
{
    struct rig *r = *state;

    conf.multiline.start = mem_strdup("^S");
    conf.format = CONTAINER_CRI;
    r->once = true;
    rig_append(r, "a.log",
               "2026-01-02T03:04:05Z stdout F S1\n2026-01-02T03:04:05Z stderr P S2\n2026-01-02T03:04:05Z stdout F a\n");
    rig_start(r);
    rig_wait_finished(r);
    rig_expect(r, "S1\na|S2|");
    mem_free(conf.multiline.start);
}

/* One stream is ahead of the other when the program goes, and goes on where it was. */
static void streams_of_a_container_go_on_where_each_was(void **state)
{
    struct rig *r = *state;

    conf.format = CONTAINER_AUTO;
    conf.last_line = 3600 * NSEC_PER_SEC;
    rig_append(r, "a.log", "2026-01-02T03:04:05Z stderr P A\n2026-01-02T03:04:05Z stdout F a\n");
    rig_start(r);
    rig_expect(r, "a|");
    rig_append(r, "a.log", "2026-01-02T03:04:05Z stdout F b\n");
    rig_expect(r, "b|");
    rig_stop(r);
    rig_append(r, "a.log", "2026-01-02T03:04:05Z stdout F c\n2026-01-02T03:04:05Z stderr F B\n");
    rig_start(r);
    rig_wait_incoming(r, 4);
    rig_append(r, "a.log", "2026-01-02T03:04:05Z stdout F d\n");
    rig_wait_incoming(r, 5);
    assert_int_equal(rig_incoming(r), 5);
    assert_int_equal(rig_incoming_bytes(r), 6);
}

/* Noticed by the very read: it is as long as before. What is no part of its first line is passed over again. */
static void a_file_that_is_rewritten_begins_anew_when_its_records_are_shaped(void **state)
{
    struct rig *r = *state;

    conf.format = CONTAINER_AUTO;
    rig_append(r, "a.log", "one\ntwo\n");
    rig_start(r);
    rig_expect(r, "one|two|");
    rig_write_n(r, "a.log", "\xef\xbb\xbfthe third\nthe fourth\nthe fifth\n", 34, 0);
    rig_expect(r, "the third|the fourth|the fifth|");
}

/* Nothing lies in front of its place that could tell. */
static void a_file_is_rewritten_while_one_stream_is_ahead(void **state)
{
    struct rig *r = *state;

    conf.format = CONTAINER_CRI;
    conf.last_line = 3600 * NSEC_PER_SEC;
    rig_append(r, "a.log", "2026-01-02T03:04:05Z stderr P A\n2026-01-02T03:04:05Z stdout F a\n");
    rig_start(r);
    rig_expect(r, "a|");
    rig_write_n(r, "a.log",
                "2026-01-02T03:04:06Z stdout F b\n2026-01-02T03:04:06Z stdout F c\n2026-01-02T03:04:06Z stdout F d\n",
                3 * 32, 0);
    rig_expect(r, "b|c|d|");
}

/* What was delivered of it begins nowhere: one stream was ahead from the first line on. */
static void a_copy_of_which_only_one_stream_was_delivered(void **state)
{
    struct rig *r = *state;

    follow(r, "*.log.*");
    conf.format = CONTAINER_CRI;
    conf.last_line = 3600 * NSEC_PER_SEC;
    rig_append(r, "a.log", "2026-01-02T03:04:05Z stderr P A\n2026-01-02T03:04:05Z stdout F a\n");
    rig_start(r);
    rig_expect(r, "a|");
    rig_append(r, "copy",
               "2026-01-02T03:04:05Z stderr P A\n2026-01-02T03:04:05Z stdout F a\n2026-01-02T03:04:05Z stdout F b\n");
    assert_int_equal(truncate(rig_path(r, "a.log"), 0), 0);
    rig_rename(r, "copy", "a.log.1");
    rig_expect(r, "b|");
    rig_append(r, "other",
               "2026-01-02T03:04:05Z stderr P B\n2026-01-02T03:04:05Z stdout F c\n2026-01-02T03:04:05Z stdout F d\n");
    rig_rename(r, "other", "a.log.2");
    rig_expect(r, "c|d|"); /* no copy */
}

/* The copy was made before the last line of the stream that is ahead. */
static void a_copy_ends_where_one_stream_is_ahead(void **state)
{
    struct rig *r = *state;

    follow(r, "*.log.*");
    conf.format = CONTAINER_CRI;
    conf.last_line = 3600 * NSEC_PER_SEC;
    rig_append(r, "a.log",
               "2026-01-02T03:04:05Z stdout F a\n2026-01-02T03:04:05Z stderr P A\n2026-01-02T03:04:05Z stdout F b\n");
    rig_append(r, "copy",
               "2026-01-02T03:04:05Z stdout F a\n2026-01-02T03:04:05Z stderr P A\n2026-01-02T03:04:05Z stdout F b\n");
    rig_start(r);
    rig_expect(r, "a|b|");
    rig_append(r, "a.log", "2026-01-02T03:04:05Z stdout F c\n");
    rig_expect(r, "c|");
    rig_stop(r);
    rig_rename(r, "copy", "a.log.1");
    rig_write_n(r, "a.log", "2026-01-02T03:04:05Z stdout F of a new file\n", 44, O_TRUNC);
    r->once = true;
    rig_start(r);
    rig_wait_finished(r);
    assert_int_equal(rig_incoming(r), 5); /* A was open in the copy */
}

static void what_is_old_is_read_from_now_on(void **state)
{
    struct rig *r = *state;
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

    conf.ignore_older = 3600 * NSEC_PER_SEC;
    rig_append(r, "old.log", "old\nhalf");
    rig_append(r, "new.log", "new\n");
    assert_int_equal(utimensat(AT_FDCWD, rig_path(r, "old.log"), old, 0), 0);
    rig_start(r);
    rig_expect(r, "new|");
    rig_append(r, "old.log", " a line\nnow\n");
    rig_expect(r, " a line|now|");
    rig_stop(r);
    assert_int_equal(utimensat(AT_FDCWD, rig_path(r, "new.log"), old, 0), 0);
    rig_start(r); /* it is not met for the first time */
    rig_append(r, "new.log", "more\n");
    rig_wait_incoming(r, 4);
    assert_int_equal(rig_incoming(r), 4);
}

static void remote_file_systems_are_known(void **state)
{
    (void)state;
    assert_true(tail_watch_is_remote(0x6969) && tail_watch_is_remote(0xff534d42) && tail_watch_is_remote(0x65735546));
    assert_false(tail_watch_is_remote(0xef53) || tail_watch_is_remote(0x01021994) || tail_watch_is_remote(0x794c7630));
}

static void once_without_files_is_finished_at_once(void **state)
{
    struct rig *r = *state;

    r->once = true;
    rig_start(r);
    rig_wait_finished(r);
    assert_int_equal(rig_incoming(r), 0);
}

static void excluded_and_compressed_files_are_left_alone(void **state)
{
    char *out[] = {mem_strdup("debug*"), NULL};
    struct rig *r = *state;

    follow(r, "a.*");
    out[1] = mem_strdup(rig_path(r, "sub/*"));
    conf.exclude = (struct cfg_strings){out, 2};
    follow(r, "**/deep.txt");
    assert_int_equal(mkdir(rig_path(r, "sub"), 0700) + mkdir(rig_path(r, "other"), 0700), 0);
    rig_append(r, "debug.log", "no\n");
    rig_append(r, "a.gz", "no\n");
    rig_append(r, "sub/deep.txt", "no\n");
    rig_start(r);
    rig_append(r, "a.log", "yes\n");
    rig_append(r, "other/deep.txt", "deep\n");
    rig_wait_incoming(r, 2);
    assert_int_equal(rig_incoming(r), 2);
    rig_stop(r);
    mem_free(out[0]);
    mem_free(out[1]);
}

/* It has a position, as files of another input of the stream have. */
static void a_file_that_is_not_wanted_any_more_is_left_alone(void **state)
{
    char *out[] = {mem_strdup("b*")};
    struct rig *r = *state;

    rig_append(r, "a.log", "a1\n");
    rig_append(r, "b.log", "b1\n");
    rig_start(r);
    rig_wait_incoming(r, 2);
    rig_stop(r);
    conf.exclude = (struct cfg_strings){out, 1};
    rig_append(r, "a.log", "a2\n");
    rig_append(r, "b.log", "b2\n");
    r->once = true;
    rig_start(r);
    rig_wait_finished(r);
    assert_int_equal(rig_incoming(r), 3);
    rig_stop(r);
    mem_free(out[0]);
}

static struct io_ops disk;
static atomic_uint refusals;

static ssize_t refuse_some(int fd, const struct iovec *v, int count, off_t offset)
{
    unsigned left = atomic_load(&refusals);

    if (left > 0) {
        atomic_store(&refusals, left - 1);
        errno = ENOSPC;
        return -1;
    }
    return io_ops_real.pwritev(fd, v, count, offset);
}

/* --- compressed files ---------------------------------------------------------------------------------------------- */

/* As gzip does it: under its name at once, and then the old one is removed. */
static void write_gzip(struct rig *r, const char *name, const char *text, size_t cut)
{
    size_t room = strlen(text) / 64 + 4096; /* what tests write compresses well */
    char *raw = mem_alloc(room);
    z_stream z = {.zalloc = NULL};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)strlen(text);
    z.next_out = (unsigned char *)raw;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    rig_write_n(r, name, raw, z.total_out - cut, O_TRUNC);
    deflateEnd(&z);
    mem_free(raw);
}

static void compressed_files_are_read_once(void **state)
{
    struct rig *r = *state;

    follow(r, "a.log*");
    conf.compressed = TAIL_COMPRESSED_READ;
    write_gzip(r, "a.log.2.gz", "1\n2\nlast", 0);
    rig_start(r);
    rig_expect(r, "1|2|last|");
    write_gzip(r, "a.log.1.gz", "3\n", 0);
    rig_expect(r, "3|");
    rig_turn(r);
    rig_stop(r);
    rig_rename(r, "a.log.2.gz", "a.log.3.gz");
    rig_append(r, "a.log", "4\n");
    rig_start(r);
    rig_expect(r, "4|");
    rig_turn(r);
    assert_int_equal(rig_incoming(r), 5);
}

/* One that could never be read is left alone, and the others are read. */
static void a_large_window_waits_for_memory_and_nobody_for_it(void **state)
{
    struct rig *r = *state;
    struct budget windows;
    struct buf packed;

    budget_init(&windows, 20 * MIB);
    buf_init(&packed, MIB);
    r->windows = &windows;
    follow(r, "a.log*");
    conf.compressed = TAIL_COMPRESSED_READ;
    assert_int_equal(zstd_with_window(SLICE("never\n"), 25, &packed), 0);
    rig_write_n(r, "a.log.1.zst", packed.p, packed.n, O_TRUNC);
    buf_clear(&packed);
    assert_int_equal(zstd_with_window(SLICE("1\n2\n"), 24, &packed), 0);
    rig_write_n(r, "a.log.2.zst", packed.p, packed.n, O_TRUNC);
    buf_release(&packed);
    write_gzip(r, "a.log.3.gz", "3\n", 0);
    assert_true(budget_take(&windows, 5 * MIB));
    rig_start(r);
    rig_expect(r, "3|");
    rig_append(r, "a.log", "4\n");
    rig_expect(r, "4|");
    rig_turn(r);
    assert_int_equal(rig_incoming(r), 2);
    budget_give(&windows, 5 * MIB);
    rig_expect(r, "1|2|");
    rig_stop(r);
    assert_true(windows.used == 0 && windows.peak <= 21 * MIB);
    rig_append(r, "a.log", "5\n");
    r->once = true;
    rig_start(r);
    rig_expect(r, "5|");
    rig_wait_finished(r);
    assert_int_equal(rig_incoming(r), 5);
}

static void compressed_files_that_are_not_read_any_more_are_left_alone(void **state)
{
    struct rig *r = *state;

    follow(r, "a.log*");
    conf.compressed = TAIL_COMPRESSED_READ;
    write_gzip(r, "a.log.1.gz", "1\n", 0);
    rig_start(r);
    rig_expect(r, "1|");
    rig_stop(r);
    conf.compressed = TAIL_COMPRESSED_LEAVE;
    rig_append(r, "a.log", "2\n");
    r->once = true;
    rig_start(r);
    rig_wait_finished(r);
    rig_expect(r, "2|");
}

static bool count_position(void *ctx, struct slice source, struct slice cursor)
{
    size_t *n = ctx;

    (void)cursor;
    *n += slice_starts(source, SLICE("tail/"));
    return true;
}

/* Soon: that one is forgotten is logged as a record is. */
static void expect_positions(struct rig *r, size_t want)
{
    nsec deadline = clock_mono() + RIG_TIMEOUT;

    for (size_t n = 0;; n = 0) {
        spool_positions(r->spool, count_position, &n);
        if (n == want)
            return;
        rig_wait_news(r, deadline, "positions");
    }
}

static void run_once(struct rig *r)
{
    r->once = true;
    rig_start(r);
    rig_wait_finished(r);
    rig_turn(r);
}

/* The spool knows them for as long as they are there. */
static void compressed_files_may_be_read_again_later(void **state)
{
    struct rig *r = *state;

    follow(r, "a.log*");
    conf.compressed = TAIL_COMPRESSED_READ;
    write_gzip(r, "a.log.1.gz", "1\n", 0);
    write_gzip(r, "a.log.2.gz", "2\n", 0);
    run_once(r);
    expect_positions(r, 2);
    rig_stop(r);
    conf.compressed = TAIL_COMPRESSED_LEAVE;
    rig_rename(r, "a.log.1.gz", "a.log.7.gz");
    remove(rig_path(r, "a.log.2.gz"));
    run_once(r);
    expect_positions(r, 1);
    rig_stop(r);
    write_gzip(r, "a.log.1.gz", "of that time\n", 0);
    conf.compressed = TAIL_COMPRESSED_READ;
    conf.start = TAIL_START_END;
    r->once = false;
    rig_start(r);
    rig_append(r, "a.log", "3\n");
    rig_wait_incoming(r, 3);
    write_gzip(r, "a.log.3.gz", "4\n", 0);
    rig_wait_incoming(r, 4);
    rig_turn(r);
    assert_int_equal(rig_incoming(r), 4);
    expect_positions(r, 4);
}

/* As those that are excluded. */
static void positions_of_excluded_files_go_with_them(void **state)
{
    char *out[] = {mem_strdup("b*")};
    struct rig *r = *state;

    rig_append(r, "a.log", "a\n");
    rig_append(r, "b.log", "b\n");
    run_once(r);
    rig_stop(r);
    conf.exclude = (struct cfg_strings){out, 1};
    run_once(r);
    expect_positions(r, 2);
    rig_stop(r);
    remove(rig_path(r, "b.log"));
    run_once(r);
    expect_positions(r, 1);
    rig_stop(r);
    mem_free(out[0]);
}

/* It may be there. */
static void the_position_of_an_excluded_file_that_cannot_be_looked_at_stays(void **state)
{
    char *out[] = {mem_strdup("b*")};
    struct rig *r = *state;

    rig_append(r, "a.log", "a\n");
    rig_append(r, "b.log", "b\n");
    run_once(r);
    rig_stop(r);
    conf.exclude = (struct cfg_strings){out, 1};
    assert_int_equal(mkdir(rig_path(r, "sub"), 0700), 0);
    rig_rename(r, "b.log", "sub/b.log");
    assert_int_equal(symlink("b.log", rig_path(r, "b.log")), 0); /* to itself: ELOOP */
    run_once(r);
    rig_stop(r);
    conf.exclude.n = 0;
    rig_rename(r, "sub/b.log", "b.log");
    run_once(r);
    assert_int_equal(rig_incoming(r), 2);
    mem_free(out[0]);
}

static void of_a_file_that_was_compressed_the_rest_is_read(void **state)
{
    struct rig *r = *state;

    follow(r, "a.log*");
    conf.compressed = TAIL_COMPRESSED_READ;
    rig_append(r, "a.log", "1\n2\n");
    rig_start(r);
    rig_expect(r, "1|2|");
    rig_stop(r);
    write_gzip(r, "a.log.1.gz", "1\n2\n3\n", 0); /* while we are away */
    remove(rig_path(r, "a.log"));
    rig_append(r, "a.log", "4\n");
    r->once = true;
    rig_start(r);
    rig_wait_finished(r);
    assert_int_equal(rig_incoming(r), 4); /* 3 and 4, in any order */
    rig_stop(r);
    rig_start(r);
    rig_wait_finished(r);
    assert_int_equal(rig_incoming(r), 4);
}

static void a_file_that_is_compressed_before_our_eyes_is_not_read_again(void **state)
{
    struct rig *r = *state;

    follow(r, "a.log*");
    conf.compressed = TAIL_COMPRESSED_READ;
    rig_append(r, "a.log", "1\n2\n");
    rig_start(r);
    rig_expect(r, "1|2|");
    write_gzip(r, "a.log.1.gz", "1\n2\n", 8); /* not whole yet */
    rig_append(r, "a.log", "3\n");
    rig_expect(r, "3|");
    write_gzip(r, "a.log.1.gz", "1\n2\n3\n", 0);
    remove(rig_path(r, "a.log"));
    rig_append(r, "a.log", "4\n");
    rig_expect(r, "4|");
    write_gzip(r, "a.log.2.gz", "5\n", 0);
    rig_expect(r, "5|");
    rig_stop(r);
    r->once = true;
    rig_start(r);
    rig_wait_finished(r);
    assert_int_equal(rig_incoming(r), 5);
}

struct sought {
    struct rig *r;
    const char *name;
    struct tail_file *f;
};

static void compare_name(void *ctx, struct tail_file *f)
{
    struct sought *s = ctx;

    if (strcmp(strrchr(f->where, '/') + 1, s->name) == 0)
        s->f = f;
}

/* On the loop. */
static struct tail_file *file_named(struct rig *r, const char *name)
{
    struct tail *t = (struct tail *)(void *)r->in; /* its first member */
    struct sought s = {.r = r, .name = name};

    tail_files_each(&t->files, compare_name, &s);
    return s.f;
}

struct look {
    struct rig *r;
    bool held;
};

static void look_whether_it_is_held(void *arg)
{
    struct look *l = arg;
    struct tail *t = (struct tail *)(void *)l->r->in;
    struct tail_file *f = file_named(l->r, "a.log.1.zst");

    l->held = f && f->measured && f->fresh && !f->packed && f->like == TAIL_LIKE;
    if (!f || l->held)
        return;
    f->again = 0; /* it is looked at now */
    tail_wake(t, f);
}

static void look_at_it_again(void *arg)
{
    struct look *l = arg;

    tail_wake((struct tail *)(void *)l->r->in, file_named(l->r, "a.log.1.zst"));
}

/* Also when others have the memory for its window while it is looked at. */
static void a_copy_with_a_large_window_is_not_read_again(void **state)
{
    struct rig *r = *state;
    struct look l = {.r = r};
    nsec deadline = clock_mono() + RIG_TIMEOUT;
    struct budget windows;
    struct buf packed;

    budget_init(&windows, 20 * MIB);
    buf_init(&packed, MIB);
    r->windows = &windows;
    follow(r, "a.log*");
    conf.compressed = TAIL_COMPRESSED_READ;
    rig_append(r, "a.log", "1\n2\n");
    rig_start(r);
    rig_expect(r, "1|2|");
    assert_int_equal(zstd_with_window(SLICE("1\n2\n"), 24, &packed), 0);
    rig_write_n(r, "a.log.1.zst", packed.p, packed.n, O_TRUNC);
    buf_release(&packed);
    while (!l.held && clock_mono() < deadline)
        loop_call(r->loop, look_whether_it_is_held, &l);
    assert_true(l.held);
    assert_true(budget_take(&windows, 5 * MIB));
    loop_call(r->loop, look_at_it_again, &l);
    rig_turn(r);
    budget_give(&windows, 5 * MIB);
    rig_write_n(r, "a.log", "3\n", 2, O_TRUNC);
    rig_expect(r, "3|");
    rig_append(r, "a.log", "4\n");
    rig_expect(r, "4|");
    rig_turn(r);
    assert_int_equal(rig_incoming(r), 4);
    rig_stop(r);
}

struct parts {
    struct rig *r;
    struct budget *windows;
    enum tail_step steps[2];
};

/* Judged, and then read when others have the memory. */
static void read_without_memory(void *arg)
{
    struct parts *p = arg;
    struct tail *t = (struct tail *)(void *)p->r->in;
    struct tail_file *f = file_named(p->r, "a.log.1.zst");

    t->now = clock_mono();
    f->again = 0; /* it is looked at now */
    budget_give(p->windows, 5 * MIB);
    p->steps[0] = tail_read(t, f);
    packed_free(&f->packed);
    assert_true(budget_take(p->windows, 5 * MIB));
    p->steps[1] = tail_read(t, f);
    budget_give(p->windows, 5 * MIB);
    tail_set_state(t, f, TAIL_HELD);
}

static void a_large_window_behind_a_small_one_is_waited_for(void **state)
{
    struct rig *r = *state;
    struct budget windows;
    struct parts p = {.r = r, .windows = &windows};
    struct buf packed;

    budget_init(&windows, 20 * MIB);
    buf_init(&packed, MIB);
    r->windows = &windows;
    follow(r, "a.log*");
    conf.compressed = TAIL_COMPRESSED_READ;
    assert_int_equal(zstd_with_window(SLICE("1\n"), 20, &packed), 0);
    assert_int_equal(zstd_with_window(SLICE("2\n"), 24, &packed), 0);
    rig_write_n(r, "a.log.1.zst", packed.p, packed.n, O_TRUNC);
    buf_release(&packed);
    assert_true(budget_take(&windows, 5 * MIB));
    rig_start(r);
    rig_append(r, "a.log", "x\n");
    rig_expect(r, "x|");
    loop_call(r->loop, read_without_memory, &p);
    assert_true(p.steps[0] == TAIL_STEP_MORE && p.steps[1] == TAIL_STEP_HELD);
    rig_expect(r, "1|2|");
    rig_stop(r);
}

struct judging {
    struct rig *r;
    bool over;
};

static void look_at_judgement(void *arg)
{
    struct judging *j = arg;
    struct tail_file *f = file_named(j->r, "a.log.1.gz");

    j->over = f && !f->fresh;
}

struct writing {
    struct rig *r;
    enum tail_step step;
    bool unpacks;
};

static void grow_and_read(void *arg)
{
    struct writing *w = arg;
    struct tail *t = (struct tail *)(void *)w->r->in;
    struct tail_file *f = file_named(w->r, "a.log.1.gz");

    rig_append(w->r, "a.log.1.gz", "x");
    f->again = 0; /* it is looked at now */
    t->now = clock_mono();
    w->step = tail_read(t, f);
    w->unpacks = f->packed || t->unpacking == f;
    tail_set_state(t, f, TAIL_HELD);
}

/* However often it is looked at. */
static void what_is_being_compressed_is_not_unpacked(void **state)
{
    enum { TEXT = 2 * TAIL_PACKED_STEP_BYTES };
    struct rig *r = *state;
    struct writing w = {.r = r};
    char *text = mem_alloc(TEXT + 1);

    follow(r, "a.log*");
    conf.compressed = TAIL_COMPRESSED_READ;
    memset(text, 'x', TEXT);
    write_gzip(r, "a.log.1.gz", text, 8);
    mem_free(text);
    rig_start(r);
    rig_append(r, "a.log", "1\n");
    rig_expect(r, "1|");
    loop_call(r->loop, grow_and_read, &w);
    assert_true(w.step == TAIL_STEP_HELD && !w.unpacks);
}

static void of_a_file_that_was_begun_at_its_end_the_rest_is_read(void **state)
{
    enum { OLD = 3 * TAIL_PACKED_STEP_BYTES };
    struct rig *r = *state;
    char *text = mem_alloc(OLD + 5);

    follow(r, "a.log*");
    conf.compressed = TAIL_COMPRESSED_READ;
    conf.start = TAIL_START_END;
    memset(text, 'x', OLD);
    text[OLD - 1] = '\n';
    rig_append(r, "a.log", text);
    rig_start(r);
    rig_append(r, "a.log", "1\n");
    rig_expect(r, "1|");
    rig_stop(r);
    strcat(text, "1\n2\n");
    write_gzip(r, "a.log.1.gz", text, 0);
    remove(rig_path(r, "a.log"));
    mem_free(text);
    r->once = true;
    rig_start(r);
    rig_wait_finished(r);
    rig_expect(r, "2|");
}

/* No handle tells that the original was deleted: it was closed, as there are more files than handles. */
static void a_copy_waits_until_its_original_is_looked_for(void **state)
{
    static const char *const others[] = {"b.log", "c.log", "d.log"};
    struct rig *r = *state;
    struct judging j = {.r = r};

    follow(r, "a.log*");
    conf.compressed = TAIL_COMPRESSED_READ;
    conf.max_open_files = 1;
    rig_append(r, "a.log", "1\n2\n");
    rig_start(r);
    rig_expect(r, "1|2|");
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        rig_append(r, others[i], "x\n");
        rig_expect(r, "x|");
    }
    write_gzip(r, "compressed", "1\n2\n", 0);
    remove(rig_path(r, "a.log"));
    rig_rename(r, "compressed", "a.log.1.gz");
    while (!j.over) {
        rig_append(r, "b.log", "y\n");
        rig_expect(r, "y|");
        loop_call(r->loop, look_at_judgement, &j);
    }
    rig_append(r, "b.log", "z\n");
    rig_expect(r, "z|");
}

/* Its writer had it open while it was compressed, and wrote a line that is in the deleted file only. */
static void a_compressed_file_may_lack_what_was_written_last(void **state)
{
    struct rig *r = *state;
    struct judging j = {.r = r};

    follow(r, "a.log*");
    conf.compressed = TAIL_COMPRESSED_READ;
    rig_append(r, "a.log", "1\n2\n3\n");
    rig_start(r);
    rig_expect(r, "1|2|3|");
    write_gzip(r, "a.log.1.gz", "1\n2\n3\n", 0);
    rig_append(r, "a.log", "4\n");
    rig_expect(r, "4|");
    remove(rig_path(r, "a.log"));
    while (!j.over) { /* each line is a turn, and nothing else comes */
        rig_append(r, "a.log", "5\n");
        rig_expect(r, "5|");
        loop_call(r->loop, look_at_judgement, &j);
    }
    rig_append(r, "a.log", "6\n");
    rig_expect(r, "6|");
}

static void what_the_disk_refused_is_read_again(void **state)
{
    struct rig *r = *state;
    char text[32], want[4096] = "";

    disk = io_ops_real;
    disk.pwritev = refuse_some;
    r->files = &disk;
    rig_append(r, "b.log", "b1\n");
    rig_start(r);
    rig_expect(r, "b1|");
    atomic_store(&refusals, 2);
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "line %d\n", i);
        rig_append(r, "a.log", text);
        snprintf(text, sizeof(text), "line %d|", i);
        strcat(want, text);
    }
    rig_expect(r, want); /* in order, none twice */
    assert_int_equal(atomic_load(&refusals), 0);
    rig_append(r, "b.log", "b2\n");
    rig_expect(r, "b2|");
}

static struct rig *sealing;
static bool sealed;

static void seal_is_safe(struct spool_wait *w, bool safe)
{
    (void)w;
    assert_true(safe);
    pthread_mutex_lock(&sealing->lock);
    sealed = true;
    pthread_cond_signal(&sealing->news);
    pthread_mutex_unlock(&sealing->lock);
}

static void wait_for_seal(struct rig *r)
{
    struct timespec until = clock_timespec(clock_mono() + RIG_TIMEOUT);

    pthread_mutex_lock(&r->lock);
    while (!sealed)
        assert_int_equal(pthread_cond_timedwait(&r->news, &r->lock, &until), 0);
    sealed = false;
    pthread_mutex_unlock(&r->lock);
}

/* What is there now, as one batch; more may come meanwhile. */
static void settle_everything(struct rig *r)
{
    struct spool_reader *reader = spool_reader(r->spool, 0);
    uint64_t end = rig_incoming(r);
    struct spool_cursor at = spool_cut(reader), next = at;
    struct seal s = {.first = at.seq, .oldest = NSEC_NEVER, .start = at, .note = SLICE("x")};
    struct seal_result done = {.delivered = 0};
    struct spool_wait wait = {.done = seal_is_safe};
    struct spool_run run;
    struct err e;

    sealing = r;
    for (; at.seq <= end && spool_scan(reader, &at, &run, &next, &e) > 0; at = next) {
        s.last = run.first + run.count - 1;
        s.bytes += run.bytes;
        s.oldest = run.arrival < s.oldest ? run.arrival : s.oldest;
        done.delivered += run.count;
    }
    if (done.delivered == 0)
        return;
    spool_seal(reader, &s, &at, &wait);
    wait_for_seal(r);
    spool_settle(reader, s.first, &done);
}

static void a_full_spool_stops_reading_until_there_is_room(void **state)
{
    enum { LINES = 40000 };
    struct rig *r = *state;
    char line[101];

    r->limit = 2 * MIB;
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\n';
    for (unsigned i = 0; i < LINES; i++)
        rig_write_n(r, "a.log", line, sizeof(line), O_APPEND);
    rig_start(r);
    rig_wait_incoming(r, 10000);
    assert_true(rig_incoming(r) < LINES);
    while (rig_incoming(r) < LINES) {
        settle_everything(r);
        rig_wait_news(r, clock_mono() + RIG_TIMEOUT, "room in the spool");
    }
    assert_int_equal(rig_incoming(r), LINES);
}

/* --- waiting for deliveries (pace.h) ----------------------------------------------------------------------------- */

#define ALWAYS_MOVES (clock_mono() + 3600 * NSEC_PER_SEC)

/* Two and a half times as much as may be ahead. */
static unsigned write_more_than_may_be_ahead(struct rig *r, const char *name)
{
    uint64_t bytes = 5 * PACE_SEGMENTS * (r->limit / SEGMENTS_PER_LIMIT) / 2;
    char lines[8192];

    memset(lines, 'x', sizeof(lines));
    for (size_t i = 127; i < sizeof(lines); i += 128)
        lines[i] = '\n';
    for (uint64_t done = 0; done < bytes; done += sizeof(lines))
        rig_write_n(r, name, lines, sizeof(lines), O_APPEND);
    return (unsigned)(bytes / 128);
}

static void pace_rig(struct rig *r, nsec moved)
{
    r->limit = 16 * MIB;
    r->paced = true;
    r->moved = moved;
}

static void wait_until_it_waits(struct rig *r)
{
    while (!pace_waits(&r->pace, clock_mono()))
        rig_wait_news(r, clock_mono() + RIG_TIMEOUT, "as much as may be ahead");
}

static void a_file_waits_for_deliveries_that_get_on(void **state)
{
    struct rig *r = *state;
    unsigned lines;

    pace_rig(r, ALWAYS_MOVES);
    lines = write_more_than_may_be_ahead(r, "a.log");
    rig_start(r);
    for (unsigned turn = 0; turn < 2; turn++) {
        wait_until_it_waits(r);
        assert_in_range(spool_unsealed_bytes(r->spool), r->pace.ahead, r->pace.ahead + 2 * TAIL_READ_BYTES);
        assert_true(rig_incoming(r) < lines);
        committer_barrier(r->committer);
        settle_everything(r);
        pace_look(&r->pace, clock_mono());
    }
    rig_wait_incoming(r, lines);
}

static void count_wake(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
}

static void who_waits_is_woken_once_when_a_batch_was_cut(void **state)
{
    struct rig *r = *state;
    atomic_uint woken = 0;
    struct pace_waiter w = {.go_on = count_wake, .arg = &woken};

    pace_rig(r, ALWAYS_MOVES);
    write_more_than_may_be_ahead(r, "a.log");
    rig_start(r);
    pace_join(&r->pace, &w);
    pace_look(&r->pace, clock_mono());
    wait_until_it_waits(r);
    pace_look(&r->pace, clock_mono()); /* nothing was cut */
    assert_int_equal(atomic_load(&woken), 0);
    do { /* a piece that it was in the middle of comes behind what is settled */
        committer_barrier(r->committer);
        settle_everything(r);
    } while (pace_waits(&r->pace, clock_mono()));
    pace_look(&r->pace, clock_mono());
    assert_int_equal(atomic_load(&woken), 1);
    pace_leave(&r->pace, &w);
}

static void deliveries_that_stand_still_are_not_waited_for(void **state)
{
    struct rig *r = *state;
    unsigned lines;

    pace_rig(r, clock_mono() - PACE_MOVING);
    lines = write_more_than_may_be_ahead(r, "a.log");
    rig_start(r);
    rig_wait_incoming(r, lines);
}

static void a_rotated_file_does_not_wait(void **state)
{
    struct rig *r = *state;
    unsigned lines;

    pace_rig(r, ALWAYS_MOVES);
    lines = write_more_than_may_be_ahead(r, "a.log");
    rig_start(r);
    wait_until_it_waits(r);
    rig_rename(r, "a.log", "a.log.1");
    rig_wait_incoming(r, lines);
}

static void a_deleted_file_does_not_wait(void **state)
{
    struct rig *r = *state;
    unsigned lines;

    pace_rig(r, ALWAYS_MOVES);
    lines = write_more_than_may_be_ahead(r, "a.log");
    rig_start(r);
    wait_until_it_waits(r);
    assert_int_equal(unlink(rig_path(r, "a.log")), 0);
    rig_wait_incoming(r, lines);
}

static void a_file_whose_writer_truncates_it_does_not_wait(void **state)
{
    struct rig *r = *state;
    unsigned lines;

    pace_rig(r, ALWAYS_MOVES);
    rig_append(r, "a.log", "before\n");
    rig_start(r);
    rig_wait_incoming(r, 1);
    assert_int_equal(truncate(rig_path(r, "a.log"), 0), 0);
    rig_append(r, "a.log", "now\n");
    rig_wait_incoming(r, 2);
    lines = write_more_than_may_be_ahead(r, "a.log");
    rig_wait_incoming(r, lines + 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(lines_that_are_there_and_lines_that_come),
        T(start_at_the_end_skips_what_is_there_but_not_what_comes),
        T(where_the_end_was_is_known_after_a_restart_without_a_record),
        T(bytes_pass_as_they_are),
        T(a_last_line_without_newline_comes_after_its_grace_time),
        T(positions_survive_a_restart),
        T(rotation_by_rename_loses_and_repeats_nothing),
        T(a_file_that_was_rotated_while_we_were_away_is_read_to_its_end),
        T(copytruncate_is_noticed_also_when_the_file_is_as_long_again),
        T(the_copy_of_a_file_that_is_truncated_is_not_read_again),
        T(the_copy_of_what_came_while_nobody_looked_is_not_read_again),
        T(zeros_that_a_truncation_leaves_are_left_out),
        T(holes_between_lines_are_left_out),
        T(a_record_of_several_lines_in_front_of_a_hole_ends_by_its_time),
        T(utf_16_becomes_utf_8),
        T(half_a_character_waits_for_its_other_half),
        T(a_deleted_file_is_read_to_its_end),
        T(a_symbolic_link_is_followed_when_it_is_switched),
        T(lines_at_the_record_limit_and_over_it),
        T(more_files_than_handles),
        T(more_files_than_descriptors),
        T(compressed_files_are_read_once),
        T(compressed_files_that_are_not_read_any_more_are_left_alone),
        T(compressed_files_may_be_read_again_later),
        T(positions_of_excluded_files_go_with_them),
        T(the_position_of_an_excluded_file_that_cannot_be_looked_at_stays),
        T(of_a_file_that_was_compressed_the_rest_is_read),
        T(a_file_that_is_compressed_before_our_eyes_is_not_read_again),
        T(what_is_being_compressed_is_not_unpacked),
        T(of_a_file_that_was_begun_at_its_end_the_rest_is_read),
        T(a_copy_waits_until_its_original_is_looked_for),
        T(a_compressed_file_may_lack_what_was_written_last),
        T(a_large_window_waits_for_memory_and_nobody_for_it),
        T(a_copy_with_a_large_window_is_not_read_again),
        T(a_large_window_behind_a_small_one_is_waited_for),
        T(what_the_disk_refused_is_read_again),
        T(a_full_spool_stops_reading_until_there_is_room),
        T(a_file_waits_for_deliveries_that_get_on),
        T(who_waits_is_woken_once_when_a_batch_was_cut),
        T(deliveries_that_stand_still_are_not_waited_for),
        T(a_rotated_file_does_not_wait),
        T(a_deleted_file_does_not_wait),
        T(a_file_whose_writer_truncates_it_does_not_wait),
        T(once_reads_everything_and_says_so),
        T(once_looks_once_when_nothing_is_missing),
        T(once_reads_lines_that_are_longer_than_one_read),
        T(records_of_several_lines_wait_for_the_next_or_the_time),
        T(a_record_that_was_open_begins_anew),
        T(a_stop_ends_the_record_of_a_file_that_has_just_grown),
        T(once_ends_what_is_open),
        T(streams_of_a_container_go_on_where_each_was),
        T(a_file_that_is_rewritten_begins_anew_when_its_records_are_shaped),
        T(a_file_is_rewritten_while_one_stream_is_ahead),
        T(a_copy_of_which_only_one_stream_was_delivered),
        T(a_copy_ends_where_one_stream_is_ahead),
        T(what_is_old_is_read_from_now_on),
        T(remote_file_systems_are_known),
        T(once_without_files_is_finished_at_once),
        T(excluded_and_compressed_files_are_left_alone),
        T(a_file_that_is_not_wanted_any_more_is_left_alone),
    };

    return cmocka_run_group_tests_name("tail", tests, NULL, NULL);
}
