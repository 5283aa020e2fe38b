/* A crash at every byte.
 *
 * A spool is worked with at random. After each round of the committer every state that a crash in that round could have
 * left on disk is made in a second folder: the newest file cut off at each byte, filled with zeros from there on, or,
 * when it had an earlier life, with what it held before the round.
 * Each is opened and held against a model: what was acknowledged before the round is there, nothing is there that was
 * never put in, numbers have no hole, seals and positions are back, the books balance, and the log goes on.
 *
 * SLUICE_CRASH_STEPS=n in the environment makes the work longer. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/format/segment.h"
#include "pipeline/spool/spool_impl.h"

enum { READERS_MAX = 3, STEPS = 4, WARM_UP = 10, FRAMES_MAX = 4000, SEALS_MAX = 2000, SOURCES = 3, UNLINKED_MAX = 200 };

struct model_frame {
    uint64_t first, end;
    int source;
};

struct model_seal {
    size_t reader;
    uint64_t first, last;
    char note[32];
    bool settled;      /* spool_settle() was called */
    bool safe_before;  /* the seal was safe before this round */
    bool settled_safe; /* the settlement was */
};

struct model {
    uint64_t next, safe_before; /* appended; acknowledged before this round */
    struct model_frame frames[FRAMES_MAX];
    size_t frame_count;
    struct model_seal seals[SEALS_MAX];
    size_t seal_count;
    size_t readers;
};

static const struct spool_reader_conf READERS[READERS_MAX] = {{.name = ""}, {.name = "second"}, {.name = "third"}};

/* --- a disk that is fast, and keeps deleted files for a while, as a crash may ---------------------------------------
 */

static char unlinked[UNLINKED_MAX][256];
static size_t unlinked_count;

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static int unlink_later(const char *path)
{
    assert_true(unlinked_count < UNLINKED_MAX);
    snprintf(unlinked[unlinked_count++], sizeof(unlinked[0]), "%s", path);
    return 0;
}

static void sweep(void)
{
    while (unlinked_count)
        unlink(unlinked[--unlinked_count]);
}

static struct io_ops fast_disk(void)
{
    struct io_ops ops = io_ops_real;

    ops.fdatasync = ops.fsync = ops.syncfs = no_sync;
    return ops;
}

/* --- random, the same on each run ------------------------------------------------------------------------------------
 */

static uint64_t seed;

static unsigned any(unsigned below)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(seed >> 33) % below;
}

/* --- work ------------------------------------------------------------------------------------------------------------
 */

static void put_frame(struct fixture *x, struct model *m)
{
    size_t count = 1 + any(4);
    struct frame *f = frame_new(256, (nsec)m->next, NULL);
    struct model_frame *mf = &m->frames[m->frame_count];
    enum spool_answer rc;
    char text[64];

    *mf = (struct model_frame){m->next, m->next + count, (int)any(SOURCES)};
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "r%llu", (unsigned long long)m->next + i);
        assert_true(frame_add(f, slice_str(text)));
    }
    snprintf(text, sizeof(text), "%llu", (unsigned long long)mf->end);
    frame_set_position(f, slice_of(&"abc"[mf->source], 1), slice_str(text));
    rc = spool_append(x->spool, &f, NULL);
    assert_true(rc == SPOOL_TAKEN || rc == SPOOL_FULL);
    frame_free(&f);
    if (rc == SPOOL_FULL)
        return;
    m->frame_count++;
    m->next += count;
}

static void put_seal(struct fixture *x, struct model *m)
{
    struct model_seal *ms = &m->seals[m->seal_count];
    size_t reader = any((unsigned)m->readers);
    struct spool_reader *r = spool_reader(x->spool, reader);
    uint64_t cut = spool_cut(r).seq;

    if (cut >= m->safe_before)
        return;
    *ms = (struct model_seal){.reader = reader, .first = cut};
    snprintf(ms->note, sizeof(ms->note), "note %llu", (unsigned long long)cut);
    assert_int_equal(seal_for(r, cut + 1 + any((unsigned)(m->safe_before - cut)), ms->note, NULL), cut);
    ms->last = spool_cut(r).seq - 1;
    m->seal_count++;
}

static void settle_seal(struct fixture *x, struct model_seal *ms)
{
    ms->settled = true;
    spool_settle(spool_reader(x->spool, ms->reader), ms->first,
                 &(struct seal_result){.delivered = ms->last - ms->first + 1});
}

static void settle_any(struct fixture *x, struct model *m)
{
    struct model_seal *ms = m->seal_count ? &m->seals[any((unsigned)m->seal_count)] : NULL;

    if (!ms || ms->settled || !ms->safe_before)
        return;
    settle_seal(x, ms);
}

/* All but the newest seal, so that segments pass and the stream is never idle; and but every `stuck`-th of the old ones. */
static void settle_old_ones(struct fixture *x, struct model *m, size_t stuck)
{
    for (size_t i = 0; i + 1 < m->seal_count; i++) {
        struct model_seal *ms = &m->seals[i];

        if (ms->settled || !ms->safe_before || (stuck && i % stuck == 0 && i + 5 * stuck > m->seal_count))
            continue;
        settle_seal(x, ms);
    }
}

static void all_is_safe(struct model *m)
{
    m->safe_before = m->next;
    for (size_t i = 0; i < m->seal_count; i++) {
        m->seals[i].safe_before = true;
        m->seals[i].settled_safe = m->seals[i].settled;
    }
}

/* --- holding a state against the model -------------------------------------------------------------------------------
 */

static void check_records(struct fixture *y, struct spool_cursor at, uint64_t end)
{
    struct buf raw;
    struct frame_view v;
    struct err e;
    char want[32];

    buf_init(&raw, FRAME_READ_MAX);
    while (at.seq < end) {
        uint64_t from = at.seq;
        struct frame_iter it;
        struct slice rec;

        if (spool_read(y->spool, &at, &raw, &v, &e) != 1)
            fail_msg("record %llu cannot be read", (unsigned long long)from);
        it = frame_records(&v);
        frame_skip_to(&it, from);
        while (it.seq < at.seq) {
            snprintf(want, sizeof(want), "r%llu", (unsigned long long)it.seq);
            assert_true(frame_next(&it, &rec) && slice_is(rec, want));
        }
    }
    buf_release(&raw);
}

struct cursors {
    char of[SOURCES][32];
};

static bool note_cursor(void *ctx, struct slice source, struct slice cursor)
{
    struct cursors *c = ctx;

    snprintf(c->of[source.p[0] - 'a'], sizeof(c->of[0]), "%.*s", (int)cursor.n, cursor.p);
    return true;
}

static void check_positions(struct fixture *y, const struct model *m, uint64_t next)
{
    struct cursors got = {0}, want = {0};

    spool_positions(y->spool, note_cursor, &got);
    for (size_t i = 0; i < m->frame_count; i++)
        if (m->frames[i].end <= next)
            snprintf(want.of[m->frames[i].source], sizeof(want.of[0]), "%llu", (unsigned long long)m->frames[i].end);
    assert_memory_equal(&got, &want, sizeof(got));
}

static bool find_pending(struct fixture *y, size_t reader, uint64_t first, struct seal *out)
{
    for (size_t i = 0; spool_pending_seal(spool_reader(y->spool, reader), i, out); i++)
        if (out->first == first)
            return true;
    return false;
}

static void check_seals(struct fixture *y, const struct model *m, size_t reader)
{
    uint64_t settled = 0, least = 0, cut = 1;
    struct spool_reader *r = spool_reader(y->spool, reader);
    struct spool_books b;

    for (size_t i = 0; i < m->seal_count; i++) {
        const struct model_seal *ms = &m->seals[i];
        struct seal seal;
        bool known = ms->first < spool_cut(r).seq;
        bool pending = find_pending(y, reader, ms->first, &seal);

        if (ms->reader != reader)
            continue;
        assert_true(known || !ms->safe_before);
        assert_false(pending && ms->settled_safe);
        assert_true(!known || pending || ms->settled);
        if (ms->settled_safe)
            least += ms->last - ms->first + 1;
        if (known && !pending)
            settled += ms->last - ms->first + 1;
        if (known)
            cut = ms->last + 1;
        if (pending) {
            assert_int_equal(seal.last, ms->last);
            assert_true(slice_is(seal.note, ms->note));
            assert_int_equal(seal.start.seq, ms->first);
            check_records(y, seal.start, seal.last + 1);
        }
    }
    spool_books(r, &b);
    assert_int_equal(b.delivered, settled);
    assert_int_equal(b.incoming, b.delivered + b.spooled);
    assert_true(settled >= least);
    assert_int_equal(spool_cut(r).seq, cut);
    check_records(y, spool_cut(r), b.incoming + 1);
}

static void check_goes_on(struct fixture *y, uint64_t next)
{
    struct answer a = {0};
    struct spool_books b;

    assert_int_equal(append_some(y, "r", 1, &a), SPOOL_TAKEN);
    commit(y);
    assert_true(a.calls == 1 && a.safe);
    spool_books(spool_reader(y->spool, 0), &b);
    assert_int_equal(b.incoming, next);
}

static void check_state(struct fixture *y, const struct model *m)
{
    struct spool_books b;

    open_spool(y);
    spool_check(y);
    if (y->found.damaged)
        fail_msg("a crash was taken for damage: %s", y->found.damage.msg);
    spool_books(spool_reader(y->spool, 0), &b);
    assert_true(b.incoming + 1 >= m->safe_before && b.incoming + 1 <= m->next);
    for (size_t i = 0; i < m->readers; i++)
        check_seals(y, m, i);
    check_positions(y, m, b.incoming + 1);
    check_goes_on(y, b.incoming + 1);
    close_spool(y);
}

/* --- making the states
 * ------------------------------------------------------------------------------------------------ */

/* What a crash leaves behind the byte that was written last. */
enum behind {
    BEHIND_NOTHING,
    BEHIND_ZEROS,
    BEHIND_EARLIER, /* what the file held before the round */
    BEHIND_END,
};

/* A segment as the spool knows it. */
struct extent {
    uint64_t number;
    off_t begin, size, reused;
};

static struct extent extent_of(const struct segment *seg)
{
    return (struct extent){seg->number, (off_t)seg->begin, (off_t)seg->size, (off_t)seg->reused};
}

static struct extent newest_of(struct fixture *x)
{
    return extent_of(spool_active(x->spool));
}

static void path_of_segment(char path[512], const char *dir, uint64_t number)
{
    snprintf(path, 512, "%s/%020llu.seg", dir, (unsigned long long)number);
}

/* What was in the folder before the round, and under which inodes. */
struct earlier {
    char dir[160];
    struct {
        ino_t inode;
        char name[64];
    } files[UNLINKED_MAX];
    size_t count;
};

static void note_earlier(struct earlier *was, const struct fixture *x)
{
    DIR *d = opendir(x->dir);
    struct dirent *entry;

    assert_non_null(d);
    snprintf(was->dir, sizeof(was->dir), "%s/earlier", x->root);
    copy_folder(x->dir, was->dir);
    was->count = 0;
    while ((entry = readdir(d))) {
        assert_true(was->count < UNLINKED_MAX);
        was->files[was->count].inode = entry->d_ino;
        snprintf(was->files[was->count++].name, sizeof(was->files[0].name), "%.63s", entry->d_name);
    }
    closedir(d);
}

/* Bytes [at, ...) of `to` become those that the file held. */
static void put_back(const char *to, off_t at, const struct earlier *was, ino_t inode)
{
    char path[512], byte[4096];
    int in, out;
    ssize_t n;

    for (size_t i = 0; i < was->count; i++) {
        if (was->files[i].inode != inode)
            continue;
        snprintf(path, sizeof(path), "%s/%s", was->dir, was->files[i].name);
        in = open(path, O_RDONLY);
        out = open(to, O_WRONLY);
        assert_true(in >= 0 && out >= 0);
        for (; (n = pread(in, byte, sizeof(byte), at)) > 0; at += n)
            assert_int_equal(pwrite(out, byte, (size_t)n, at), n);
        close(in);
        close(out);
        return;
    }
    fail_msg("the file had no earlier life");
}

static void crash_at(struct fixture *x, const char *dir, const struct extent *seg, off_t at, enum behind behind,
                     const struct earlier *was)
{
    char path[512], original[512];
    struct stat st;

    path_of_segment(path, dir, seg->number);
    path_of_segment(original, x->dir, seg->number);
    assert_int_equal(stat(original, &st), 0);
    if (behind == BEHIND_EARLIER) {
        put_back(path, at, was, st.st_ino);
        return;
    }
    assert_int_equal(truncate(path, at), 0);
    if (behind == BEHIND_ZEROS)
        assert_int_equal(truncate(path, st.st_size), 0);
}

/* The mark is written when the round is over: a crash in it leaves the one before. */
static void put_back_mark(const char *dir, const struct earlier *was)
{
    char from[512], to[512];

    snprintf(from, sizeof(from), "%s/mark", was->dir);
    snprintf(to, sizeof(to), "%s/mark", dir);
    unlink(to);
    if (access(from, F_OK) == 0)
        copy_file(from, to);
}

/* Segments that went at the end of the round: the crash came before, or their renaming was not safe. */
static void bring_back_segments(const char *dir, const struct earlier *was)
{
    for (size_t i = 0; i < was->count; i++) {
        char from[512], to[512];
        uint64_t number;

        snprintf(to, sizeof(to), "%s/%s", dir, was->files[i].name);
        if (!segment_name_parse(was->files[i].name, &number) || access(to, F_OK) == 0)
            continue;
        snprintf(from, sizeof(from), "%s/%s", was->dir, was->files[i].name);
        copy_file(from, to);
    }
}

/* AddressSanitizer takes several times as long, and the same code is at it after each byte: every so many bytes then. */
#if defined(__SANITIZE_ADDRESS__)
#define EVERY 5
#else
#define EVERY 1
#endif

/* The segment from `least` to its end. */
static void try_every_byte(struct fixture *x, const char *from, struct fixture *y, const struct model *m,
                           const struct extent *seg, off_t least, const struct earlier *was)
{
    /* The end, with nothing behind it done yet, is never left out. */
    for (off_t at = least; at <= seg->size; at = at < seg->size && at + EVERY > seg->size ? seg->size : at + EVERY)
        for (enum behind behind = BEHIND_NOTHING; behind < BEHIND_END; behind++) {
            if (at == seg->size && behind == BEHIND_ZEROS)
                continue;
            /* A file gets its name when its head is safe. */
            if (behind == BEHIND_EARLIER && (!seg->reused || at < seg->begin))
                continue;
            copy_folder(from, y->dir);
            crash_at(x, y->dir, seg, at, behind, was);
            bring_back_segments(y->dir, was);
            put_back_mark(y->dir, was);
            check_state(y, m);
        }
}

/* The segment that was written to before the round, as it is now. False when it is gone. */
static bool find_extent(struct fixture *x, uint64_t number, struct extent *out)
{
    for (size_t i = 0; i < x->spool->segment_count; i++)
        if (x->spool->segments[i]->number == number) {
            *out = extent_of(x->spool->segments[i]);
            return true;
        }
    return false;
}

static void try_crashes(struct fixture *x, struct fixture *y, const struct model *m, const struct extent *before,
                        const struct earlier *was)
{
    struct extent newest = newest_of(x), then;
    char aside[160], path[512];

    try_every_byte(x, x->dir, y, m, &newest, newest.number == before->number ? before->size : 0, was);
    copy_folder(x->dir, y->dir);
    check_state(y, m);
    if (newest.number == before->number || !find_extent(x, before->number, &then))
        return;
    /* And before the newest was begun. */
    snprintf(aside, sizeof(aside), "%s/aside", x->root);
    copy_folder(x->dir, aside);
    for (uint64_t number = newest.number; number > before->number; number--) {
        path_of_segment(path, aside, number);
        unlink(path);
    }
    try_every_byte(x, aside, y, m, &then, before->size, was);
}

/* One round that writes; what it leaves for another one (copies) belongs to the next step. */
static void commit_once(struct fixture *x, const struct extent *before)
{
    struct extent now = *before;

    for (int i = 0; i < 2 && now.number == before->number && now.size == before->size; i++) {
        x->now += NSEC_PER_SEC;
        committer_round(x->committer, x->now);
        now = newest_of(x);
    }
}

static void work(struct fixture *x, struct model *m)
{
    for (unsigned n = 1 + any(3); n; n--)
        switch (any(4)) {
        case 0:
        case 1:
            put_frame(x, m);
            break;
        case 2:
            put_seal(x, m);
            break;
        default:
            settle_any(x, m);
        }
}

static int steps(void)
{
    const char *more = getenv("SLUICE_CRASH_STEPS");

    return more ? atoi(more) : STEPS;
}

struct run {
    uint64_t seed, segment_bytes, limit;
    bool busy;    /* segments pass quickly, so that most of them are made from earlier ones */
    size_t stuck; /* some batches wait for long: every so many */
    size_t readers;
};

static struct run_outcome {
    unsigned reused, moved; /* segments made from earlier ones; rounds in which records were copied */
} run_with(const struct run *run)
{
    bool busy = run->busy;
    struct io_ops plain = fast_disk(), keeping = plain;
    struct earlier *was = mem_alloc(sizeof(*was));
    uint64_t last_number = 1;
    struct run_outcome out = {0};
    struct fixture *x, *y;
    struct model *m = mem_alloc(sizeof(*m));

    seed = run->seed;
    x = fixture_new(false, run->limit, run->segment_bytes);
    y = fixture_new(false, 64 * MIB, run->segment_bytes); /* a crash may bring back more than the limit */
    close_spool(x);
    close_spool(y);
    m->readers = run->readers ? run->readers : 1;
    x->conf.readers = y->conf.readers = READERS;
    x->conf.reader_count = y->conf.reader_count = m->readers;
    y->conf.files = &plain;
    keeping.unlink = unlink_later;
    x->conf.files = &keeping;
    open_spool(x);
    m->next = m->safe_before = 1;
    for (int step = busy ? -WARM_UP : 0; step < steps(); step++) {
        struct extent before = newest_of(x);

        note_earlier(was, x);
        if (busy) {
            settle_old_ones(x, m, run->stuck);
            for (int i = 0; i < 3; i++)
                put_frame(x, m);
            put_seal(x, m);
        }
        work(x, m);
        commit_once(x, &before);
        spool_check(x);
        if (step >= 0)
            try_crashes(x, y, m, &before, was);
        all_is_safe(m);
        out.moved += step >= 0 && x->spool->state.moved_count > 0;
        out.reused += step >= 0 && newest_of(x).number > last_number && newest_of(x).reused;
        last_number = newest_of(x).number;
        if (any(3) == 0)
            sweep();
        if (!busy && any(8) == 0)
            reopen_spool(x);
    }
    unlinked_count = 0;
    open_spool(y);
    fixture_free(y);
    fixture_free(x);
    mem_free(m);
    mem_free(was);
    return out;
}

static void a_crash_loses_nothing_and_doubles_nothing_in_one_segment(void **state)
{
    (void)state;
    run_with(&(struct run){.seed = 1, .segment_bytes = 1 * MIB, .limit = 64 * MIB});
}

static void a_crash_loses_nothing_and_doubles_nothing_over_many_segments(void **state)
{
    (void)state;
    run_with(&(struct run){.seed = 2, .segment_bytes = 600, .limit = 64 * MIB});
}

static void a_crash_loses_nothing_and_doubles_nothing_where_files_are_written_over(void **state)
{
    (void)state;
    assert_true(run_with(&(struct run){.seed = 3, .segment_bytes = 1200, .limit = 64 * MIB, .busy = true}).reused > 0);
}

static void a_crash_loses_nothing_and_doubles_nothing_where_records_are_copied(void **state)
{
    (void)state;
    assert_true(
        run_with(&(struct run){.seed = 4, .segment_bytes = 1500, .limit = 9000, .busy = true, .stuck = 7}).moved > 0);
}

static void a_crash_loses_nothing_and_doubles_nothing_with_two_readers(void **state)
{
    (void)state;
    run_with(&(struct run){.seed = 5, .segment_bytes = 600, .limit = 64 * MIB, .readers = 2});
    run_with(&(struct run){.seed = 6, .segment_bytes = 1200, .limit = 64 * MIB, .busy = true, .readers = 2});
}

static void a_crash_loses_nothing_and_doubles_nothing_with_three_readers(void **state)
{
    (void)state;
    run_with(&(struct run){.seed = 7, .segment_bytes = 1 * MIB, .limit = 64 * MIB, .readers = 3});
    run_with(&(struct run){.seed = 8, .segment_bytes = 1500, .limit = 9000, .busy = true, .stuck = 7, .readers = 3});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_loses_nothing_and_doubles_nothing_in_one_segment),
        cmocka_unit_test(a_crash_loses_nothing_and_doubles_nothing_over_many_segments),
        cmocka_unit_test(a_crash_loses_nothing_and_doubles_nothing_where_files_are_written_over),
        cmocka_unit_test(a_crash_loses_nothing_and_doubles_nothing_where_records_are_copied),
        cmocka_unit_test(a_crash_loses_nothing_and_doubles_nothing_with_two_readers),
        cmocka_unit_test(a_crash_loses_nothing_and_doubles_nothing_with_three_readers),
    };

    return cmocka_run_group_tests_name("spool_crash", tests, NULL, NULL);
}
