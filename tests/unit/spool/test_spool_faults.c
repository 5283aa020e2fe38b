/* A disk that refuses, and a disk that forgets. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/format/segment.h"
#include "pipeline/spool/staged.h"

#include <dirent.h>
#include <limits.h>

/* --- the disk that refuses: what it answers is decided by the test --------------------------------------------------
 */

static struct {
    long room;       /* bytes it still takes; then ENOSPC, in the middle of a write */
    bool gives_back; /* what is removed is room again */
    bool sync_fails, syncfs_fails, open_fails, folder_fails;
    int syncs, syncfs_calls;
} disk;

static ssize_t disk_pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
    size_t n = v->iov_len;

    (void)count;
    if (disk.room == 0) {
        errno = ENOSPC;
        return -1;
    }
    n = disk.room > 0 && n > (size_t)disk.room ? (size_t)disk.room : n;
    disk.room -= disk.room > 0 ? (long)n : 0;
    return pwrite(fd, v->iov_base, n, offset);
}

static int disk_fdatasync(int fd)
{
    (void)fd;
    disk.syncs++;
    errno = EIO;
    return disk.sync_fails ? -1 : 0;
}

static int disk_syncfs(int fd)
{
    (void)fd;
    disk.syncfs_calls++;
    errno = EIO;
    return disk.syncfs_fails ? -1 : 0;
}

static int disk_open(const char *path, int flags, mode_t mode)
{
    errno = EMFILE;
    return disk.open_fails ? -1 : open(path, flags, mode);
}

static int disk_fsync(int fd)
{
    (void)fd;
    errno = EIO;
    return disk.folder_fails ? -1 : 0;
}

static int disk_unlink(const char *path)
{
    struct stat st;

    if (disk.gives_back && stat(path, &st) == 0)
        disk.room += (long)st.st_size;
    errno = EIO;
    return disk.folder_fails ? -1 : unlink(path);
}

static struct io_ops disk_ops;

static int setup_with(void **state, uint64_t segment_bytes)
{
    struct fixture *x;

    disk.room = -1;
    disk.sync_fails = disk.syncfs_fails = disk.open_fails = disk.folder_fails = disk.gives_back = false;
    disk.syncs = disk.syncfs_calls = 0;
    disk_ops = io_ops_real;
    disk_ops.pwritev = disk_pwritev;
    disk_ops.fdatasync = disk_fdatasync;
    disk_ops.syncfs = disk_syncfs;
    disk_ops.open = disk_open;
    disk_ops.fsync = disk_fsync;
    disk_ops.unlink = disk_unlink;
    x = fixture_new(false, 64 * MIB, segment_bytes);
    close_spool(x);
    x->conf.files = &disk_ops;
    open_spool(x);
    *state = x;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, 0);
}

static int setup_small(void **state)
{
    return setup_with(state, 500);
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static uint64_t incoming(struct fixture *x)
{
    struct spool_books b;

    spool_check(x);
    spool_books(spool_reader(x->spool, 0), &b);
    return b.incoming;
}

/* Two frames and a seal meet a disk that takes `room` bytes; then it is well again. */
static void one_full_disk(struct fixture *x, long room, int *refusals)
{
    struct answer a = {0}, b = {0}, sealed = {0};
    uint64_t before, first;
    struct err why;

    assert_int_equal(append_some(x, "r", 3, NULL), SPOOL_TAKEN);
    commit(x);
    before = incoming(x);
    disk.room = room;
    assert_int_equal(append_some(x, "a", 3, &a), SPOOL_TAKEN);
    first = seal_up_to(x, 0, "the note", &sealed);
    assert_int_equal(append_some(x, "b", 3, &b), SPOOL_TAKEN);
    committer_round(x->committer, ++x->now);
    assert_true(a.calls == 1 && b.calls == 1);
    if (!a.safe || !b.safe) {
        (*refusals)++;
        assert_false(b.safe);
        assert_int_equal(incoming(x), before + (a.safe ? 3 : 0));
        assert_true(spool_failing(x->spool, &why));
        assert_non_null(strstr(why.msg, "No space left on device"));
        assert_non_null(strstr(why.msg, x->dir));
        assert_int_equal(append_some(x, "c", 1, NULL), SPOOL_FAILING);
    }
    disk.room = -1;
    commit(x);
    assert_false(spool_failing(x->spool, &why));
    assert_true(sealed.calls == 1 && sealed.safe);
    settle(x, first, 3);
    assert_int_equal(append_some(x, "d", 2, &a), SPOOL_TAKEN);
    commit(x);
    assert_true(a.safe);
    before = incoming(x);
    reopen_spool(x);
    assert_false(x->found.damaged);
    assert_int_equal(x->found.torn_bytes, 0);
    assert_int_equal(x->found.pending_seals, 0);
    assert_int_equal(incoming(x), before);
    first = seal_up_to(x, 0, "", NULL);
    commit(x);
    settle(x, first, before - first + 1);
    commit(x);
}

static void a_full_disk_refuses_what_it_cannot_keep_at_every_byte(void **state)
{
    int refusals = 0;

    for (long room = 0; room < 600; room += 7)
        one_full_disk(*state, room, &refusals);
    assert_true(refusals > 40);
}

static void a_failed_sync_is_a_refusal_and_the_settlement_is_kept(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0}, b = {0};
    struct spool_books books;
    uint64_t first;
    struct err why;

    assert_int_equal(append_some(x, "r", 3, NULL), SPOOL_TAKEN);
    commit(x);
    first = seal_up_to(x, 0, "", NULL);
    commit(x);
    disk.sync_fails = true;
    settle(x, first, 3);
    assert_int_equal(append_some(x, "a", 3, &a), SPOOL_TAKEN);
    committer_round(x->committer, ++x->now);
    assert_true(a.calls == 1 && !a.safe);
    assert_true(spool_failing(x->spool, &why));
    assert_non_null(strstr(why.msg, "sync "));
    commit(x);
    assert_true(spool_failing(x->spool, &why));
    disk.sync_fails = false;
    commit(x);
    assert_false(spool_failing(x->spool, &why));
    assert_int_equal(append_some(x, "b", 1, &b), SPOOL_TAKEN);
    commit(x);
    assert_true(b.safe);
    reopen_spool(x);
    spool_books(spool_reader(x->spool, 0), &books);
    assert_int_equal(books.delivered, 3);
    assert_int_equal(books.spooled, 1);
}

static void what_was_refused_does_not_come_back_after_a_crash(void **state)
{
    struct fixture *x = *state, *y = fixture_new(false, 64 * MIB, 0);
    struct answer a = {0};

    assert_int_equal(append_some(x, "r", 3, NULL), SPOOL_TAKEN);
    commit(x);
    disk.sync_fails = true;
    assert_int_equal(append_some(x, "a", 3, &a), SPOOL_TAKEN);
    committer_round(x->committer, ++x->now);
    assert_true(a.calls == 1 && !a.safe);
    close_spool(y);
    copy_folder(x->dir, y->dir);
    open_spool(y);
    assert_int_equal(incoming(y), 3);
    fixture_free(y);
}

static void a_segment_that_cannot_be_created_is_a_refusal(void **state)
{
    struct fixture *x = *state;
    struct answer a[4] = {{.calls = 0}};
    uint64_t before;

    for (int i = 0; i < 4; i++)
        assert_int_equal(append_some(x, "rrrrrrrrrrrrrrrrrrrrrrrrr", 20, &a[i]), SPOOL_TAKEN);
    disk.open_fails = true;
    committer_round(x->committer, ++x->now);
    assert_true(a[0].safe && !a[3].safe && a[3].calls == 1);
    before = incoming(x);
    disk.open_fails = false;
    commit(x);
    assert_int_equal(append_some(x, "r", 1, &a[0]), SPOOL_TAKEN);
    commit(x);
    assert_int_equal(incoming(x), before + 1);
    reopen_spool(x);
    assert_int_equal(incoming(x), before + 1);
}

/* It is whole on disk, but the log went on in the one before: its checkpoint knows less than that. */
static void a_segment_that_was_made_in_vain_is_not_believed(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0}, b = {0};
    const char *large = "rrrrrrrrrrrrrrrrrrrrrrrrr";

    assert_int_equal(append_some(x, large, 20, NULL), SPOOL_TAKEN);
    commit(x);
    disk.folder_fails = true;
    assert_int_equal(append_some(x, large, 20, &a), SPOOL_TAKEN);
    committer_round(x->committer, ++x->now);
    assert_true(a.calls == 1 && !a.safe);
    commit(x);
    assert_int_equal(append_some(x, "r", 1, &b), SPOOL_TAKEN);
    commit(x);
    assert_true(b.safe);
    assert_int_equal(incoming(x), 21);
    disk.folder_fails = false;
    reopen_spool(x);
    assert_int_equal(incoming(x), 21);
    assert_false(x->found.damaged);
}

static void a_disk_that_never_recovers_leaves_no_wait_unanswered(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0}, sealed = {0};

    assert_int_equal(append_some(x, "r", 3, &a), SPOOL_TAKEN);
    commit(x);
    disk.room = 0;
    seal_up_to(x, 0, "", &sealed);
    commit(x);
    assert_int_equal(sealed.calls, 0);
    reopen_spool(x);
    assert_true(sealed.calls == 1 && !sealed.safe);
}

static void many_dirty_spools_share_one_sync(void **state)
{
    struct fixture *x = *state;
    struct spool *more[8];
    struct answer a[8] = {{.calls = 0}};

    for (int i = 0; i < 8; i++) {
        struct spool_conf conf = x->conf;
        struct spool_recovery found;
        char dir[160];
        struct err e;

        snprintf(dir, sizeof(dir), "%s/s%d", x->root, i);
        conf.dir = dir;
        assert_int_equal(spool_open(&more[i], &conf, x->committer, &found, &e), 0);
    }
    for (int fails = 0; fails < 2; fails++) {
        disk.syncs = disk.syncfs_calls = 0;
        disk.syncfs_fails = fails;
        for (int i = 0; i < 8; i++) {
            struct frame *f = frame_new(8, 1, NULL);

            assert_true(frame_add(f, SLICE("r")));
            a[i].wait.done = note_answer;
            assert_int_equal(spool_append(more[i], &f, &a[i].wait), SPOOL_TAKEN);
        }
        commit(x);
        assert_int_equal(disk.syncfs_calls, 1);
        assert_int_equal(disk.syncs, fails ? 8 : 0); /* then each is asked, to know whose data it was */
        for (int i = 0; i < 8; i++)
            assert_true(a[i].safe);
    }
    for (int i = 0; i < 8; i++)
        spool_close(&more[i]);
}

/* --- the disk that forgets ------------------------------------------------------------------------------------------
 */

/* The records that can still be read, from the first pending seal on; every number is either read or told as lost. */
static uint64_t read_all(struct fixture *x, uint64_t *lost)
{
    struct spool_cursor at = spool_cut(spool_reader(x->spool, 0));
    struct frame_view v;
    struct seal seal;
    struct buf raw;
    uint64_t seen = 0;
    int rc;
    struct err e;

    if (spool_pending_seal(spool_reader(x->spool, 0), 0, &seal))
        at = seal.start;
    buf_init(&raw, FRAME_READ_MAX);
    *lost = 0;
    for (;;) {
        uint64_t from = at.seq;

        rc = spool_read(x->spool, &at, &raw, &v, &e);
        if (rc == 0)
            break;
        assert_true(at.seq > from);
        assert_true(rc > 0 || e.code == ERR_FORMAT);
        *(rc > 0 ? &seen : lost) += at.seq - from;
        if (rc > 0) {
            struct frame_iter it = frame_records(&v);
            struct slice rec;

            while (frame_next(&it, &rec))
                assert_true(rec.n >= 2 && rec.p[0] == 'r');
        }
    }
    buf_release(&raw);
    return seen;
}

/* As read_all(), but by scanning. */
static uint64_t scan_all(struct fixture *x)
{
    struct spool_cursor at = spool_cut(spool_reader(x->spool, 0));
    uint64_t first = at.seq;
    struct spool_run run;
    struct err e;
    int rc;

    while ((rc = spool_scan(spool_reader(x->spool, 0), &at, &run, &at, &e)) != 0) {
        assert_true(rc > 0 || e.code == ERR_FORMAT);
        assert_true(run.count > 0 && at.seq == run.first + run.count);
    }
    return at.seq - first;
}

enum { FLIP_FRAMES = 5, FLIP_COUNT = 3 };

static void make_small_log(struct fixture *x)
{
    for (int i = 0; i < FLIP_FRAMES; i++) {
        assert_int_equal(append_some(x, "r", FLIP_COUNT, NULL), SPOOL_TAKEN);
        commit(x);
        if (i == 2) {
            seal_up_to(x, 6, "n", NULL);
            commit(x);
        }
    }
}

static void flip(const char *dir, uint64_t number, off_t at, unsigned char mask)
{
    char path[512];
    unsigned char c;
    int fd;

    snprintf(path, sizeof(path), "%s/%020llu.seg", dir, (unsigned long long)number);
    fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= mask;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void any_flipped_bit_costs_at_most_its_frame_and_is_said(void **state)
{
    struct fixture *x = *state, *y = fixture_new(false, 64 * MIB, 0);
    char path[512];
    struct stat st;

    make_small_log(x);
    close_spool(y);
    y->conf.files = &disk_ops;
    snprintf(path, sizeof(path), "%s/%020d.seg", x->dir, 1);
    assert_int_equal(stat(path, &st), 0);
    for (off_t at = 0; at < st.st_size; at++) {
        uint64_t lost, seen, had;

        copy_folder(x->dir, y->dir);
        flip(y->dir, 1, at, (unsigned char)(1 << at % 8));
        open_spool(y);
        if (!y->found.damaged && !y->found.torn_bytes)
            fail_msg("nothing was said about the byte at %lld", (long long)at);
        spool_check(y);
        had = incoming(y);
        seen = read_all(y, &lost);
        assert_int_equal(seen + lost, had);
        /* The last frame is behind what any other knows to be safe: it is taken for a torn write. */
        if (seen + FLIP_COUNT < FLIP_FRAMES * FLIP_COUNT)
            fail_msg("the byte at %lld costs more than its frame: %llu are left", (long long)at,
                     (unsigned long long)seen);
        scan_all(y);
        assert_int_equal(append_some(y, "r", 1, NULL), SPOOL_TAKEN);
        commit(y);
        assert_int_equal(incoming(y), had + 1);
        reopen_spool(y);
        assert_false(y->found.damaged); /* said once: it begins a new segment */
        assert_int_equal(incoming(y), had + 1);
        close_spool(y);
    }
    open_spool(y);
    fixture_free(y);
}

static void a_full_disk_keeps_nobody_from_starting(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    char path[512];
    off_t end;
    uint64_t lost;

    make_small_log(x);
    end = (off_t)spool_active(x->spool)->size;
    close_spool(x);
    flip(x->dir, 1, end - 1, 1); /* damage: a new segment would be begun */
    snprintf(path, sizeof(path), "%s/reserve", x->dir);
    assert_int_equal(unlink(path), 0);
    disk.room = 0;
    open_spool(x);
    assert_true(x->found.damaged);
    assert_int_equal(read_all(x, &lost) + lost, FLIP_FRAMES * FLIP_COUNT);
    assert_int_equal(append_some(x, "r", 1, &a), SPOOL_TAKEN);
    commit(x);
    assert_true(a.calls == 1 && !a.safe);
    disk.room = -1;
    commit(x);
    a = (struct answer){0};
    assert_int_equal(append_some(x, "r", 1, &a), SPOOL_TAKEN);
    commit(x);
    assert_true(a.safe);
    reopen_spool(x);
    assert_int_equal(incoming(x), FLIP_FRAMES * FLIP_COUNT + 1);
    assert_int_equal(read_all(x, &lost) + lost, FLIP_FRAMES * FLIP_COUNT + 1);
    assert_int_equal(lost, FLIP_COUNT);
}

/* A disk whose last bytes are taken by records: what deliveries write has its place all the same. */
static void deliveries_have_room_on_a_full_disk(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0}, sealed = {0};
    char path[512];
    uint64_t first;

    snprintf(path, sizeof(path), "%s/reserve", x->dir);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(append_some(x, "r", 3, NULL), SPOOL_TAKEN);
    commit(x);
    disk.room = 0;
    assert_int_equal(append_some(x, "a", 3, &a), SPOOL_TAKEN);
    committer_round(x->committer, ++x->now);
    assert_true(a.calls == 1 && !a.safe);
    assert_int_equal(access(path, F_OK), 0); /* records alone do not use it up */
    first = seal_up_to(x, 0, "n", &sealed);
    commit(x);
    assert_int_equal(access(path, F_OK), -1);
    disk.room = 400; /* as much as it held; too little to make it again */
    commit(x);
    assert_true(sealed.calls == 1 && sealed.safe);
    assert_int_equal(append_some(x, "b", 1, NULL), SPOOL_FAILING);
    settle(x, first, 3);
    commit(x);
    disk.room = -1;
    commit(x);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(append_some(x, "c", 1, &a), SPOOL_TAKEN);
    commit(x);
    assert_true(a.safe);
    spool_check(x);
}

static void commit_one(struct fixture *x)
{
    struct answer a = {0};

    assert_int_equal(append_some(x, "r", 1, &a), SPOOL_TAKEN);
    commit(x);
    assert_true(a.safe);
}

/* What the folder holds is all that the disk has. */
static void set_room(const struct fixture *x, long size)
{
    struct dirent *entry;
    DIR *dir = opendir(x->dir);
    struct stat st;

    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            size -= (long)st.st_size;
    }
    closedir(dir);
    disk.room = size > 0 ? size : 0;
}

/* What waits in one segment may be delivered in many batches: their seals and settlements together are more than the reserve. */
static void deliveries_do_not_use_up_their_room_on_a_full_disk(void **state)
{
    enum { BATCHES = 1000 };
    struct fixture *x = *state;
    char note[200];
    long size = LONG_MAX;

    memset(note, 'n', sizeof(note) - 1);
    note[sizeof(note) - 1] = 0;
    for (int i = 0; i < BATCHES; i++)
        assert_int_equal(append_some(x, "r", 1, NULL), SPOOL_TAKEN);
    commit(x);
    set_room(x, size);
    disk.gives_back = true;
    size -= disk.room; /* nothing is free but the reserve */
    for (uint64_t i = 1; i <= BATCHES; i++) {
        static struct answer sealed;

        sealed = (struct answer){0};
        assert_int_equal(seal_up_to(x, i + 1, note, &sealed), i);
        for (int round = 0; round < 4 && !sealed.calls; round++) {
            set_room(x, size);
            commit(x);
        }
        if (!sealed.safe)
            fail_msg("no room for the seal of batch %d of %d", (int)i, BATCHES);
        settle(x, i, 1);
    }
    disk.gives_back = false;
    disk.room = -1;
    commit(x);
    spool_check(x);
    assert_int_equal(append_some(x, "c", 1, NULL), SPOOL_TAKEN);
    reopen_spool(x);
    spool_check(x);
}

/* As many parts as fit into `room`, all of new parcels, of as many records; how many. */
static size_t stage_all(struct fixture *x, uint64_t room, struct answer *a)
{
    struct spool_reader *r = spool_reader(x->spool, 0);
    struct spool_cursor at = spool_cut(r);
    struct staged_piece p = {.first = at.seq};
    struct staged_part *parts;
    char note[100];
    struct err e;

    memset(note, 'n', sizeof(note));
    p.count = (size_t)(room / (STAGED_PART_BYTES + sizeof(note)));
    parts = mem_array(p.count, sizeof(*parts));
    for (size_t i = 0; i < p.count; i++)
        parts[i] = (struct staged_part){staged_new_parcel(r), 100, 1, 1, slice_of(note, sizeof(note))};
    assert_int_equal(append_some(x, "r", p.count, NULL), SPOOL_TAKEN);
    commit(x);
    set_room(x, 0); /* full */
    p.parts = parts;
    p.last = p.first + p.count - 1;
    while (at.seq <= p.last) {
        struct spool_run run;

        assert_int_equal(spool_scan_part(r, &at, UINT64_MAX, p.last + 1 - at.seq, true, &run, &at, &e), 1);
        p.bytes += run.bytes;
    }
    a->wait.done = note_answer;
    staged_add(r, &p, &at, &a->wait);
    mem_free(parts);
    return p.count;
}

/* Where the records of a piece are is one frame; what delivers them is written behind it. */
static void a_piece_has_room_on_a_full_disk(void **state)
{
    struct fixture *x = *state;
    struct spool_reader *r = spool_reader(x->spool, 0);
    struct answer staged = {0};
    uint64_t room, want;
    bool full;
    size_t count;
    long size = LONG_MAX;

    want = 3 * staged_room(r, &full);
    staged_want_room(r, want);
    commit_one(x);
    room = staged_room(r, &full);
    assert_int_equal(room, want);
    count = stage_all(x, room, &staged);
    set_room(x, size);
    size -= disk.room; /* nothing is free but the reserve */
    disk.gives_back = true;
    for (int round = 0; round < 4 && !staged.calls; round++) {
        set_room(x, size);
        commit(x);
    }
    assert_true(staged.safe);
    for (size_t i = 0; i < count; i++) {
        struct parcel p;
        struct answer gone = {.wait.done = note_answer};

        assert_true(staged_parcel(r, 0, &p));
        staged_settle(r, p.number, &(struct seal_result){.delivered = 1}, &gone.wait);
        for (int round = 0; round < 4 && !gone.calls; round++) {
            set_room(x, size);
            commit(x);
        }
        if (!gone.safe)
            fail_msg("no room for parcel %zu of %zu", i, count);
    }
    disk.gives_back = false;
    disk.room = -1;
    commit(x);
    spool_check(x);
    assert_int_equal(append_some(x, "c", 1, NULL), SPOOL_TAKEN);
    reopen_spool(x);
    spool_check(x);
}

/* The disk does not have what the next pieces want: what is kept stays as it was, and records are taken. */
static void room_that_is_not_there_is_not_kept(void **state)
{
    struct fixture *x = *state;
    struct spool_reader *r = spool_reader(x->spool, 0);
    bool full;
    uint64_t before = staged_room(r, &full);
    struct stat st;
    char path[512];

    for (long some = 0; some < 30000; some += 7777) {
        staged_want_room(r, 4 * before);
        disk.room = some + 4096; /* for the round itself */
        commit_one(x);
        assert_int_equal(staged_room(r, &full), before);
        assert_false(full);
        snprintf(path, sizeof(path), "%s/reserve", x->dir);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, 4 * before);
    }
    disk.room = -1;
    staged_want_room(r, 4 * before);
    commit_one(x);
    assert_int_equal(staged_room(r, &full), 4 * before);
}

/* Pieces of few parcels, so that checkpoints get large while what is kept stays small. */
static void stage_in_small_pieces(struct fixture *x, size_t parcels)
{
    uint64_t begin = spool_active(x->spool)->begin;

    for (size_t staged = 0; staged < parcels;) {
        struct answer a = {0};

        staged += stage_all(x, 4 * KIB, &a);
        disk.room = -1;
        commit(x);
        assert_true(a.safe);
    }
    for (int i = 0; i < 100000 && spool_active(x->spool)->begin == begin; i++) {
        assert_int_equal(append_some(x, "r", 1000, NULL), SPOOL_TAKEN);
        commit(x);
    }
}

/* What a piece wants is then no more than what is kept for checkpoints of that size, and more than there is. */
static void a_piece_gets_its_room_also_where_checkpoints_are_large(void **state)
{
    struct fixture *x = *state;
    struct spool_reader *r = spool_reader(x->spool, 0);
    bool full;
    uint64_t before = staged_room(r, &full), want = 2 * before;

    stage_in_small_pieces(x, (size_t)(3 * before / 150));
    assert_true(spool_active(x->spool)->begin > want);
    assert_int_equal(spool_reserve_bytes(x->spool), 4 * spool_active(x->spool)->begin);
    assert_int_equal(staged_room(r, &full), before);
    staged_want_room(r, want);
    commit_one(x);
    assert_in_range(staged_room(r, &full), want, UINT64_MAX);
    assert_false(full);
}

static void damage_in_older_segments_is_met_when_they_are_read(void **state)
{
    struct fixture *x = *state;
    uint64_t lost, seen;

    for (int i = 0; i < 16; i++) {
        assert_int_equal(append_some(x, "rrrrrrrrrrrr", 10, NULL), SPOOL_TAKEN);
        commit(x);
    }
    reopen_spool(x);
    assert_true(x->found.segments > 3);
    for (off_t at = 0; at < 500; at += 3) {
        flip(x->dir, 2, at, 0x10);
        seen = read_all(x, &lost);
        assert_int_equal(seen + lost, 160);
        assert_true(lost <= 20);
        assert_int_equal(scan_all(x), 160);
        flip(x->dir, 2, at, 0x10);
    }
    seen = read_all(x, &lost);
    assert_int_equal(seen, 160);
}

static void a_missing_segment_is_told_as_lost_records(void **state)
{
    struct fixture *x = *state;
    char path[512];
    uint64_t lost, seen;

    for (int i = 0; i < 12; i++) {
        assert_int_equal(append_some(x, "rrrrrrrrrrrr", 10, NULL), SPOOL_TAKEN);
        commit(x);
    }
    close_spool(x);
    snprintf(path, sizeof(path), "%s/%020d.seg", x->dir, 2);
    assert_int_equal(unlink(path), 0);
    open_spool(x);
    seen = read_all(x, &lost);
    assert_int_equal(seen + lost, 120);
    assert_true(x->found.damaged && x->found.corrupt_records == lost);
    assert_true(lost > 0 && lost <= 40);
}

static void a_newer_format_is_refused_in_words(void **state)
{
    struct fixture *x = *state;
    struct segment_header h = {.format = SEGMENT_FORMAT + 1, .number = 1, .first = 1};
    unsigned char head[SEGMENT_HEADER_BYTES];
    char path[512];
    struct spool *s = NULL;
    struct err e;
    int fd;

    close_spool(x);
    segment_header_encode(&h, head);
    snprintf(path, sizeof(path), "%s/%020d.seg", x->dir, 1);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
    close(fd);
    assert_int_equal(spool_open(&s, &x->conf, NULL, &x->found, &e), -1);
    assert_non_null(strstr(e.msg, "was written by a newer sluice (format 4); this one reads format 3"));
    assert_int_equal(unlink(path), 0);
    open_spool(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_what_it_cannot_keep_at_every_byte, setup, teardown),
        {"a_full_disk_... (small segments)", a_full_disk_refuses_what_it_cannot_keep_at_every_byte, setup_small,
         teardown, NULL},
        cmocka_unit_test_setup_teardown(a_failed_sync_is_a_refusal_and_the_settlement_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_refused_does_not_come_back_after_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(a_segment_that_cannot_be_created_is_a_refusal, setup_small, teardown),
        cmocka_unit_test_setup_teardown(a_segment_that_was_made_in_vain_is_not_believed, setup_small, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_never_recovers_leaves_no_wait_unanswered, setup, teardown),
        cmocka_unit_test_setup_teardown(many_dirty_spools_share_one_sync, setup, teardown),
        cmocka_unit_test_setup_teardown(any_flipped_bit_costs_at_most_its_frame_and_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_keeps_nobody_from_starting, setup, teardown),
        cmocka_unit_test_setup_teardown(deliveries_have_room_on_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(a_piece_has_room_on_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(room_that_is_not_there_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_piece_gets_its_room_also_where_checkpoints_are_large, setup, teardown),
        cmocka_unit_test_setup_teardown(deliveries_do_not_use_up_their_room_on_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_in_older_segments_is_met_when_they_are_read, setup_small, teardown),
        cmocka_unit_test_setup_teardown(a_missing_segment_is_told_as_lost_records, setup_small, teardown),
        cmocka_unit_test_setup_teardown(a_newer_format_is_refused_in_words, setup, teardown),
    };

    return cmocka_run_group_tests_name("spool_faults", tests, NULL, NULL);
}
