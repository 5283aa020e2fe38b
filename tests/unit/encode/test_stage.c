/* The stage against a model of the journal: whichever call to the disk fails, and wherever a crash comes between two steps, each record of the
 * pieces that the journal knows is once in a parcel of its key, in order. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/object_source.h"
#include "pipeline/encode/stage.h"
#include "pipeline/encode/stage_piece.h"
#include "pipeline/spool/spool_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARCELS_MAX = 400, RECORDS_MAX = 2000, KEYS = 6 };

#define HOUR (3600 * NSEC_PER_SEC)

/* What the journal knows of a parcel. */
struct journaled {
    struct parcel parcel;
    char note[64];
    bool taken; /* closed, and read back */
};

struct bench {
    char dir[64], *folder;
    struct committer *committer;
    struct spool *spool;
    struct stage *stage;
    struct stage_rules rules;
    struct journaled parcels[PARCELS_MAX];
    size_t count;
    uint64_t next; /* the first record that the journal does not know */
    uint64_t random;
    struct err e;
};

static unsigned pick(struct bench *b, unsigned n)
{
    b->random = b->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(b->random >> 33) % n;
}

/* --- a disk that fails ------------------------------------------------------------------------------------------- */

static int calls_left = -1; /* the call that fails; -1: none */

static bool fails(void)
{
    if (calls_left < 0 || calls_left-- != 0)
        return false;
    errno = ENOSPC;
    return true;
}

static unsigned writes, writes_before[1024]; /* ... a descriptor was opened */
static unsigned syncs, errors_before;        /* the most writes of which syncfs() could not say an error */

static int failing_open(const char *path, int flags, mode_t mode)
{
    int fd = fails() ? -1 : io_ops_real.open(path, flags, mode);

    if (fd >= 0 && fd < 1024)
        writes_before[fd] = writes;
    return fd;
}

static ssize_t failing_pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
    struct iovec half = {v->iov_base, v->iov_len / 2};

    writes++;
    if (!fails())
        return io_ops_real.pwritev(fd, v, count, offset);
    if (half.iov_len > 0)
        (void)!io_ops_real.pwritev(fd, &half, 1, offset);
    errno = ENOSPC;
    return -1;
}

static int failing_ftruncate(int fd, off_t size)
{
    return fails() ? -1 : io_ops_real.ftruncate(fd, size);
}

static int failing_fdatasync(int fd)
{
    (void)fd;
    return fails() ? -1 : 0;
}

static int failing_fsync(int fd)
{
    return fails() ? -1 : io_ops_real.fsync(fd);
}

static int failing_syncfs(int fd)
{
    syncs++;
    errors_before = writes_before[fd];
    return fails() ? -1 : 0;
}

static struct io_ops files;

/* --- the bench ------------------------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    struct bench *b = mem_alloc(sizeof(*b));
    struct spool_conf conf = {.stream = "app", .limit = 64 * MIB};
    struct spool_recovery found;

    files = io_ops_real;
    files.open = failing_open;
    files.pwritev = failing_pwritev;
    files.ftruncate = failing_ftruncate;
    files.fdatasync = failing_fdatasync;
    files.fsync = failing_fsync;
    files.syncfs = failing_syncfs;
    strcpy(b->dir, "/tmp/stage-test-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    b->folder = mem_printf("%s/staging", b->dir);
    conf.dir = b->dir;
    assert_int_equal(committer_start(&b->committer, &b->e), 0);
    assert_int_equal(spool_open(&b->spool, &conf, b->committer, &found, &b->e), 0);
    b->stage = stage_new(&files, b->folder, false, spool_reader(b->spool, 0));
    b->next = 1;
    *state = b;
    return 0;
}

static int take_down(void **state)
{
    struct bench *b = *state;
    char command[96];

    stage_free(&b->stage);
    committer_stop(&b->committer);
    spool_close(&b->spool);
    snprintf(command, sizeof(command), "rm -rf %s", b->dir);
    assert_int_equal(system(command), 0);
    mem_free(b->folder);
    mem_free(b);
    return 0;
}

static char key_of(uint64_t seq)
{
    return (char)('a' + seq * 7 % KEYS);
}

static struct slice text_of(uint64_t seq, char out[80])
{
    int n = snprintf(out, 80, "%c %llu %.*s", key_of(seq), (unsigned long long)seq, (int)(seq % 40),
                     "and words behind it, more or fewer of them");

    return slice_of(out, (size_t)n);
}

static void make_rules(struct bench *b)
{
    static const uint64_t sizes[] = {1, 100, 1000, MIB};

    b->rules = (struct stage_rules){.size = sizes[pick(b, 4)], .interval = 500, .max_partitions = 4, .version = 1};
}

/* --- steps ----------------------------------------------------------------------------------------------------------- */

static int add_piece(struct bench *b, uint64_t last)
{
    stage_begin(b->stage, &b->rules, b->next, last, 5000, 5000);
    for (uint64_t seq = b->next; seq <= last; seq++) {
        struct record_origin from = {.seq = seq, .arrival = (nsec)(4000 + seq), .is_counted = true};
        char key[8], text[80];

        snprintf(key, sizeof(key), "k%c%c", '\0', key_of(seq));
        if (stage_add(b->stage, STAGE_RECORDS, slice_of(key, 4), text_of(seq, text), &from, &b->e) < 0)
            return -1;
        if (pick(b, 8) == 0 && stage_flush(b->stage, &b->e) < 0)
            return -1;
    }
    return stage_finish(b->stage, &b->e);
}

/* As spool/parcels.c. */
static void note_part(struct bench *b, const struct staged_part *p, uint64_t last)
{
    struct journaled *j = b->parcels;

    while (j < b->parcels + b->count && j->parcel.number != p->parcel)
        j++;
    if (j == b->parcels + b->count) {
        assert_in_range(b->count++, 0, PARCELS_MAX - 1);
        *j = (struct journaled){.parcel = {.number = p->parcel, .first = b->next, .oldest = NSEC_NEVER}};
        memcpy(j->note, p->note.p, p->note.n);
        j->parcel.note = slice_of(j->note, p->note.n);
    }
    assert_false(j->taken);
    j->parcel.bytes = p->bytes;
    j->parcel.records += p->records;
    j->parcel.last = last;
    j->parcel.oldest = p->oldest < j->parcel.oldest ? p->oldest : j->parcel.oldest;
}

static void write_down(struct bench *b, uint64_t last)
{
    uint64_t records = 0;

    for (size_t i = 0; i < b->stage->part_count; i++) {
        note_part(b, &b->stage->parts[i], last);
        records += b->stage->parts[i].records;
    }
    assert_int_equal(records, last - b->next + 1);
    b->next = last + 1;
}

/* The files are as they were at that moment. */
static void crash(struct bench *b)
{
    uint64_t numbers[PARCELS_MAX];
    char command[160];
    size_t count = 0;

    snprintf(command, sizeof(command), "cd %s && mv staging then && cp -a then staging", b->dir);
    assert_int_equal(system(command), 0);
    stage_free(&b->stage);
    snprintf(command, sizeof(command), "cd %s && rm -rf staging && mv then staging", b->dir);
    assert_int_equal(system(command), 0);
    b->stage = stage_new(&files, b->folder, false, spool_reader(b->spool, 0));
    for (size_t i = 0; i < b->count; i++) {
        struct stage_parcel *out;

        if (b->parcels[i].taken)
            continue;
        numbers[count++] = b->parcels[i].parcel.number;
        if (stage_adopt(b->stage, &b->rules, &b->parcels[i].parcel, 5000, 5000, &out, &b->e) < 0)
            fail_msg("%s", b->e.msg);
        assert_null(out);
    }
    assert_true(stage_clear(b->stage, numbers, count, &b->e) >= 0);
}

/* --- what must be ---------------------------------------------------------------------------------------------------- */

struct seen {
    uint64_t last[KEYS]; /* of each key */
    uint64_t count;
};

static void check_parcel(const struct stage_parcel *p, struct seen *seen)
{
    struct object_source s =
        object_source_staged(&(struct object){.first = p->known.first, .last = p->known.last}, p->path, &p->mark);
    struct object_reader r;
    struct err e;
    struct buf raw;
    uint64_t records = 0;

    buf_init(&raw, WORKER_RAW_MAX);
    object_reader_open(&r, &s, &raw, NULL);
    while (object_reader_next(&r, &e) > 0) {
        struct frame_iter it = object_reader_records(&r, r.begin);
        struct slice data;

        assert_false(r.lost);
        for (uint64_t at = r.begin; at < r.end && frame_next(&it, &data); at++) {
            uint64_t seq = object_reader_record(&r, at).seq;
            char text[80];
            int key = key_of(seq) - 'a';

            assert_true(slice_eq(data, text_of(seq, text)));
            assert_int_equal(p->keys.p[2], key_of(seq));
            assert_in_range(seq, p->known.first, p->known.last);
            assert_true(seq > seen->last[key]);
            seen->last[key] = seq;
            records++;
        }
    }
    object_reader_close(&r);
    buf_release(&raw);
    assert_int_equal(records, p->known.records);
    seen->count += records;
}

static void take_closed(struct bench *b, struct seen *seen)
{
    struct stage_parcel *p;

    while ((p = stage_next(b->stage))) {
        struct journaled *j = b->parcels;

        while (j->parcel.number != p->known.number)
            j++;
        assert_int_equal(p->known.bytes, j->parcel.bytes);
        assert_int_equal(p->known.records, j->parcel.records);
        assert_int_equal(p->known.first, j->parcel.first);
        assert_int_equal(p->known.last, j->parcel.last);
        assert_int_equal(p->known.oldest, j->parcel.oldest);
        check_parcel(p, seen);
        j->taken = true;
        assert_int_equal(stage_parcel_remove(&files, p, &b->e), 0);
        stage_parcel_free(&p);
    }
    assert_true(b->stage->files_open_count <= STAGE_FILES_MAX);
}

/* --- the cases ------------------------------------------------------------------------------------------------------- */

static void one_piece(struct bench *b, struct seen *seen)
{
    uint64_t last = b->next + pick(b, 30);

    calls_left = pick(b, 2) ? (int)pick(b, 30) : -1;
    while (add_piece(b, last) < 0) {                                  /* as often as it takes */
        assert_true(b->e.code == ERR_NOSPACE || b->e.code == ERR_IO); /* of a file, of the folder */
        stage_undo(b->stage);
        calls_left = pick(b, 3) ? -1 : (int)pick(b, 10);
    }
    calls_left = -1;
    switch (pick(b, 6)) {
    case 0: /* before the journal knows */
        crash(b);
        return;
    case 1: /* just behind that */
        write_down(b, last);
        crash(b);
        break;
    case 2: /* given up */
        stage_undo(b->stage);
        return;
    default:
        write_down(b, last);
        stage_took(b->stage);
    }
    if (pick(b, 3) == 0)
        stage_close_due(b->stage, 5000 + pick(b, 1000), false);
    if (pick(b, 2))
        take_closed(b, seen);
}

static void whatever_fails_each_record_is_once_in_its_key(void **state)
{
    struct bench *b = *state;
    struct seen seen = {.count = 0};

    b->random = 4711;
    for (int round = 0; round < 12; round++) {
        make_rules(b);
        while (b->next < (uint64_t)(round + 1) * 100 && b->count < PARCELS_MAX - 60)
            one_piece(b, &seen);
    }
    stage_close_due(b->stage, 0, true);
    take_closed(b, &seen);
    assert_int_equal(seen.count, b->next - 1);
    assert_true(b->next > 300);
}

static void the_one_whose_time_comes_first_is_closed_early(void **state)
{
    struct bench *b = *state;
    struct stage_parcel *p;

    b->rules = (struct stage_rules){.size = MIB, .interval = HOUR, .max_partitions = 3};
    assert_int_equal(add_piece(b, 4), 0); /* four keys */
    stage_took(b->stage);
    assert_int_equal(b->stage->exceeded, 1);
    assert_int_equal(stage_open_count(b->stage), 3);
    p = stage_next(b->stage);
    assert_int_equal(p->keys.p[2], key_of(1));
    assert_null(TAILQ_FIRST(&b->stage->closed));
    stage_parcel_free(&p);
}

static void an_object_has_its_size_and_its_age(void **state)
{
    struct bench *b = *state;

    b->rules = (struct stage_rules){.size = 60, .interval = HOUR, .max_partitions = 500};
    assert_int_equal(stage_deadline(b->stage), NSEC_NEVER);
    assert_int_equal(add_piece(b, 2 * KEYS), 0);
    stage_took(b->stage);
    b->next = 2 * KEYS + 1;
    for (const struct stage_parcel *p = TAILQ_FIRST(&b->stage->closed); p; p = TAILQ_NEXT(p, line))
        assert_true(p->mark.bytes <= 60 || p->mark.count == 1);
    assert_true(stage_deadline(b->stage) >= 4000 + HOUR && stage_deadline(b->stage) <= 4000 + HOUR + 2 * KEYS);
    stage_close_due(b->stage, 3999 + HOUR, false);
    assert_int_equal(stage_open_count(b->stage), KEYS);
    stage_close_due(b->stage, 4000 + HOUR + 2 * KEYS, false);
    assert_int_equal(stage_open_count(b->stage), 0);
}

/* What the records that come next are in lines form. */
/* Of as many keys as records, which are long. */
static int add_piece_of_many_keys(struct bench *b, uint64_t first, uint64_t last)
{
    enum { KEY_BYTES = 1500 };
    char key[KEY_BYTES], text[80];

    memset(key, 'k', sizeof(key));
    stage_begin(b->stage, &b->rules, first, last, 5000, 5000);
    for (uint64_t seq = first; seq <= last; seq++) {
        struct record_origin from = {.seq = seq, .arrival = (nsec)(4000 + seq), .is_counted = true};

        memcpy(key, &seq, sizeof(seq));
        if (stage_add(b->stage, STAGE_RECORDS, slice_of(key, sizeof(key)), text_of(seq, text), &from, &b->e) < 0)
            return -1;
    }
    return stage_finish(b->stage, &b->e);
}

static void make_a_round(struct bench *b)
{
    struct frame *f = frame_new(64, 1, NULL);

    assert_true(frame_add(f, SLICE("a record")));
    assert_int_equal(spool_append(b->spool, &f, NULL), SPOOL_TAKEN);
    committer_barrier(b->committer);
}

/* What is written down of a piece must have room on a full disk. More is kept for the next one. */
static void a_piece_of_many_keys_waits_for_its_room_in_the_journal(void **state)
{
    enum { MANY = 30 };
    struct bench *b = *state;
    char path[128];
    struct stat st;
    bool full;
    int tries;

    b->rules = (struct stage_rules){.size = MIB, .interval = 1000, .max_partitions = 500};
    for (tries = 0; add_piece_of_many_keys(b, 1, MANY) < 0; tries++) {
        assert_int_equal(b->e.code, ERR_LIMIT);
        stage_undo(b->stage);
        assert_int_equal(add_piece_of_many_keys(b, 1, 1), 0);
        stage_undo(b->stage);
        assert_in_range(tries, 0, 10);
        make_a_round(b);
    }
    assert_true(tries > 0);
    snprintf(path, sizeof(path), "%s/reserve", b->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_true(b->stage->noted <= staged_room(spool_reader(b->spool, 0), &full));
    assert_true(4 * b->stage->noted <= (uint64_t)st.st_size);
    assert_false(full);
    stage_undo(b->stage);
}

static size_t disk_left;

static ssize_t limited_pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += v[i].iov_len;
    if (bytes > disk_left) {
        errno = ENOSPC;
        return -1;
    }
    disk_left -= bytes;
    return io_ops_real.pwritev(fd, v, count, offset);
}

/* Others seal what they have in the room of the reserve, and so is what was staged. */
static void on_a_full_disk_it_leaves_room_for_what_deliveries_write(void **state)
{
    struct bench *b = *state;
    char *path = mem_printf("%s/room", b->folder);
    struct stat st;

    b->rules = (struct stage_rules){.size = MIB, .interval = 1000, .max_partitions = 500};
    files.pwritev = limited_pwritev;
    disk_left = STAGE_LEAVES_BYTES; /* the disk is not full */
    assert_int_equal(add_piece(b, 1), 0);
    stage_undo(b->stage);
    atomic_store(&b->spool->reserve_bytes, 0);
    disk_left = STAGE_LEAVES_BYTES;
    assert_int_equal(add_piece(b, 1), -1);
    assert_int_equal(b->e.code, ERR_NOSPACE);
    stage_undo(b->stage);
    disk_left = STAGE_LEAVES_BYTES + 4096;
    assert_int_equal(add_piece(b, 1), 0);
    assert_int_equal(access(path, F_OK), -1);
    write_down(b, 1);
    stage_took(b->stage);
    mem_free(path);

    disk_left = 4096; /* for this, and not for what is left behind it */
    b->next = 1 + KEYS;
    assert_int_equal(add_piece(b, 1 + KEYS), -1);
    path = stage_path(b->folder, b->parcels[0].parcel.number);
    assert_int_equal(stat(path, &st), 0);
    assert_true((uint64_t)st.st_size > b->parcels[0].parcel.bytes);
    stage_give_back(b->stage);
    stage_undo(b->stage);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, b->parcels[0].parcel.bytes);
    mem_free(path);
}

static uint64_t lines_of(const struct bench *b, uint64_t last)
{
    uint64_t bytes = 0;
    char text[80];

    for (uint64_t seq = b->next; seq <= last; seq++)
        bytes += text_of(seq, text).n + 1;
    return bytes;
}

static void more_bytes_than_there_may_be_are_closed_early(void **state)
{
    struct bench *b = *state;
    struct stage_parcel *p;
    uint64_t bytes = 0, limit;

    b->rules = (struct stage_rules){.size = MIB, .interval = 1000, .max_partitions = 500};
    assert_int_equal(add_piece(b, 2 * KEYS), 0);
    stage_undo(b->stage);
    b->rules.bytes = limit = lines_of(b, 2 * KEYS); /* of which the files have more */
    assert_int_equal(add_piece(b, 2 * KEYS), 0);
    stage_took(b->stage);
    assert_true(b->stage->open_bytes <= limit);
    assert_in_range(stage_open_count(b->stage), 1, KEYS - 1);
    while ((p = stage_next(b->stage))) {
        bytes += p->mark.length;
        stage_parcel_free(&p);
    }
    assert_true(bytes > 0);
    stage_close_due(b->stage, 0, true);
    while ((p = stage_next(b->stage))) {
        bytes += p->mark.length;
        stage_parcel_free(&p);
    }
    assert_true(bytes > limit);
    assert_int_equal(b->stage->open_bytes, 0);
}

/* One that the journal knows is longer than that, and one it does not know. */
static void beside_damage_nothing_is_removed(void **state)
{
    struct bench *b = *state;
    struct stage_parcel *out, *p;
    uint64_t number, longest;
    char *folder = mem_printf("%s/spool/damaged", b->dir), *path, command[400];

    b->rules = (struct stage_rules){.size = MIB, .interval = 1000, .max_partitions = 500, .version = 1};
    assert_int_equal(add_piece(b, 1), 0);
    write_down(b, 1);
    stage_took(b->stage);
    assert_int_equal(add_piece(b, 1 + KEYS), 0); /* of which the journal has lost its word */
    stage_took(b->stage);
    number = b->parcels[0].parcel.number;
    for (int start = 0; start < 2; start++) { /* the names are taken the second time */
        stage_free(&b->stage);
        snprintf(command, sizeof(command), start ? "mv %s/then %s/staging" : "mkdir %s/spool; cp -a %s/staging %s/then",
                 b->dir, b->dir, b->dir);
        assert_int_equal(system(command), 0);
        b->stage = stage_new(&files, b->folder, false, spool_reader(b->spool, 0));
        stage_keep_aside(b->stage, folder);
        assert_int_equal(stage_adopt(b->stage, &b->rules, &b->parcels[0].parcel, 5000, 5000, &out, &b->e), 0);
        assert_int_equal(stage_clear(b->stage, &number, 1, &b->e), KEYS - 1);
        assert_int_equal(b->stage->left.kept, KEYS);
        assert_int_equal(b->stage->left.not_kept, 0);
        if (start == 0) {
            snprintf(command, sizeof(command), "rm -r %s/staging", b->dir);
            stage_free(&b->stage);
            assert_int_equal(system(command), 0);
        }
    }
    longest = number + KEYS - 1;
    path = mem_printf("%s/%020llu.parcel.2", folder, (unsigned long long)longest);
    assert_int_equal(access(path, R_OK), 0);
    mem_free(path);
    path = mem_printf("%s/%020llu.parcel.from-%llu", folder, (unsigned long long)number,
                      (unsigned long long)b->parcels[0].parcel.bytes);
    assert_int_equal(access(path, R_OK), 0);
    snprintf(command, sizeof(command), "cat %s >> %s/staging/%020llu.parcel", path, b->dir, (unsigned long long)number);
    mem_free(path);
    mem_free(folder);
    stage_close_due(b->stage, 0, true);
    p = stage_next(b->stage);
    assert_int_equal(p->mark.count, 1);
    stage_parcel_free(&p);
    assert_int_equal(system(command), 0); /* the end is what was there */
    assert_true(staged_new_parcel(b->stage->reader) > longest);
}

static void what_cannot_be_kept_aside_stays(void **state)
{
    struct bench *b = *state;

    make_rules(b);
    assert_int_equal(add_piece(b, 1), 0);
    stage_took(b->stage);
    stage_free(&b->stage);
    b->stage = stage_new(&files, b->folder, false, spool_reader(b->spool, 0));
    stage_keep_aside(b->stage, "/dev/null/damaged");
    assert_int_equal(stage_clear(b->stage, NULL, 0, &b->e), 1);
    assert_int_equal(b->stage->left.kept, 0);
    assert_int_equal(b->stage->left.not_kept, 1);
    stage_keep_aside(b->stage, NULL);
    assert_int_equal(stage_clear(b->stage, NULL, 0, &b->e), 1); /* it is there */
    assert_int_equal(stage_clear(b->stage, NULL, 0, &b->e), 0);
}

static int refused_sync(int fd)
{
    (void)fd;
    errno = ENOSPC;
    return -1;
}

/* Whole files have a name more or less; an end would be cut off. */
static void an_end_that_cannot_be_kept_aside_is_not_cut_off(void **state)
{
    struct bench *b = *state;
    const struct parcel *known = &b->parcels[0].parcel;
    char *folder = mem_printf("%s/damaged", b->dir), *path;
    struct stage_parcel *out;
    struct stat before, after;

    b->rules = (struct stage_rules){.size = MIB, .interval = 1000, .max_partitions = 500, .version = 1};
    assert_int_equal(add_piece(b, 1), 0);
    write_down(b, 1);
    stage_took(b->stage);
    assert_int_equal(add_piece(b, 1 + KEYS), 0); /* of which the journal has lost its word */
    stage_took(b->stage);
    path = stage_path(b->folder, known->number);
    assert_int_equal(stat(path, &before), 0);
    assert_true((uint64_t)before.st_size > known->bytes);
    for (int start = 0; start < 3; start++) {
        stage_free(&b->stage);
        b->stage = stage_new(&files, b->folder, false, spool_reader(b->spool, 0));
        stage_keep_aside(b->stage, start == 0 ? "/dev/null/damaged" : folder);
        files.fdatasync = start == 1 ? refused_sync : failing_fdatasync;
        assert_int_equal(stage_adopt(b->stage, &b->rules, known, 5000, 5000, &out, &b->e), start < 2 ? -1 : 0);
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(after.st_size, start < 2 ? (off_t)before.st_size : (off_t)known->bytes);
        if (start == 1)
            assert_non_null(strstr(b->e.msg, strerror(ENOSPC)));
        if (start < 2)
            assert_int_not_equal(b->e.code, ERR_FORMAT); /* of which the stage would go on */
    }
    assert_int_equal(b->stage->left.kept, 1);
    mem_free(path);
    mem_free(folder);
}

/* Records in order of their keys, with a flush behind each: so it writes once to each file, and holds one key's records. */
static void what_is_flushed_is_written_once_and_held_no_more(void **state)
{
    struct bench *b = *state;
    unsigned before = writes;

    b->rules = (struct stage_rules){.size = MIB, .interval = HOUR, .max_partitions = 500};
    stage_begin(b->stage, &b->rules, 1, 20, 5000, 5000);
    for (uint64_t seq = 1; seq <= 20; seq++) {
        struct record_origin from = {.seq = seq, .arrival = 4000, .is_counted = true};
        char key[4] = {'k', '\0', (char)('a' + (seq - 1) / 4), '\0'};

        assert_int_equal(stage_add(b->stage, STAGE_RECORDS, slice_of(key, 4), SLICE("x"), &from, &b->e), 0);
        assert_true(b->stage->buffered > 0);
        if (seq % 4 == 0)
            assert_int_equal(stage_flush(b->stage, &b->e), 0);
        if (seq % 4 == 0)
            assert_int_equal(b->stage->buffered, 0);
    }
    assert_int_equal(stage_flush(b->stage, &b->e), 0); /* there is nothing */
    assert_int_equal(stage_finish(b->stage, &b->e), 0);
    assert_int_equal(writes - before, 5 * (PARCEL_BLOCK_RECORDS < 4 ? 2 : 1));
    assert_int_equal(b->stage->part_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(b->stage->parts[i].records, 4);
    stage_took(b->stage);
}

/* A large piece, and behind it a small one of the same keys. */
static void what_is_expected_of_many_parcels_has_a_bound(void **state)
{
    enum { MANY_KEYS = 2 * STAGE_BUFFERED_MAX / PARCEL_BLOCK_BYTES, EACH = PARCEL_BLOCK_BYTES / 2 };
    struct bench *b = *state;
    char *text = mem_alloc(EACH);
    uint64_t most = 0;

    memset(text, 'x', EACH);
    b->rules = (struct stage_rules){.size = STAGE_PIECE_BYTES_MAX, .interval = HOUR, .max_partitions = 2 * MANY_KEYS};
    for (size_t bytes = EACH; bytes > 0; bytes = bytes == EACH ? 1 : 0) {
        stage_begin(b->stage, &b->rules, b->next, b->next + 2 * MANY_KEYS - 1, 5000, 5000);
        for (uint64_t i = 0; i < 2 * MANY_KEYS; i++) {
            struct record_origin from = {.seq = b->next + i, .arrival = 4000, .is_counted = true};
            uint64_t key = i / 2;

            assert_int_equal(stage_add(b->stage, STAGE_RECORDS, slice_of((char *)&key, sizeof(key)),
                                       slice_of(text, bytes), &from, &b->e),
                             0);
            most = b->stage->expected > most ? b->stage->expected : most;
        }
        assert_int_equal(stage_finish(b->stage, &b->e), 0);
        stage_took(b->stage);
        b->next += 2 * MANY_KEYS;
    }
    assert_true(most > 0 && most < STAGE_BUFFERED_MAX + 2 * PARCEL_BLOCK_BYTES);
    mem_free(text);
}

static void a_large_piece_has_lanes_of_one_size_as_far_as_there_may_be(void **state)
{
    (void)state;
    assert_int_equal(stage_piece_lanes(1), 1);
    assert_int_equal(stage_piece_lanes(STAGE_LANE_BYTES), 1);
    assert_int_equal(stage_piece_lanes(STAGE_LANE_BYTES + 1), 2);
    assert_int_equal(stage_piece_lanes(STAGE_LANE_BYTES * STAGE_LANES_MAX), STAGE_LANES_MAX);
    assert_int_equal(stage_piece_lanes(UINT64_MAX / 2), STAGE_LANES_MAX);
}

/* syncfs() tells of what failed since its descriptor was opened. */
static void an_error_of_any_write_of_the_piece_is_seen(void **state)
{
    struct bench *b = *state;

    for (int piece = 0; piece < 3; piece++) {
        struct err e;
        const struct record_origin from = {.seq = 1, .arrival = 4000};
        unsigned before = writes, before_syncs = syncs;

        b->rules = (struct stage_rules){.size = MIB, .interval = 1000, .max_partitions = SIZE_MAX};
        stage_begin(b->stage, &b->rules, 1, 1, 5000, 5000);
        for (char c = 'a'; c <= 'z'; c++) {
            char key[3] = {'k', '\0', c};

            assert_int_equal(stage_add(b->stage, STAGE_RECORDS, slice_of(key, 3), SLICE("x"), &from, &e), 0);
        }
        assert_int_equal(stage_finish(b->stage, &e), 0);
        assert_int_equal(syncs, before_syncs + 1);
        assert_int_equal(errors_before, before);
        if (piece == 1)
            stage_undo(b->stage);
        else
            stage_took(b->stage);
    }
}

/* Its records are older than the interval, and still more than one piece goes into an object. */
static void a_backlog_gathers(void **state)
{
    struct bench *b = *state;
    nsec later = 5000 + STAGE_PIECE_AGE_MAX / 2;

    b->rules = (struct stage_rules){.size = MIB, .interval = 2 * STAGE_PIECE_AGE_MAX, .max_partitions = 500};
    for (int piece = 0; piece < 3; piece++) {
        const struct record_origin from = {.seq = 1, .arrival = 1000 - piece, .is_counted = true};

        stage_begin(b->stage, &b->rules, 1, 1, 3600 * NSEC_PER_SEC, piece ? later : 5000);
        assert_int_equal(stage_add(b->stage, STAGE_RECORDS, SLICE("k"), SLICE("x"), &from, &b->e), 0);
        assert_int_equal(stage_finish(b->stage, &b->e), 0);
        stage_took(b->stage);
        stage_close_due(b->stage, piece ? later : 5000, false);
        assert_int_equal(stage_open_count(b->stage), 1);
        assert_int_equal(stage_deadline(b->stage), 5000 + STAGE_PIECE_AGE_MAX); /* later pieces do not put it off */
    }
    b->rules.interval = 0;
    stage_begin(b->stage, &b->rules, 1, 1, 5000, 5000);
    assert_int_equal(
        stage_add(b->stage, STAGE_RECORDS, SLICE("l"), SLICE("x"), &(struct record_origin){.seq = 1}, &b->e), 0);
    assert_int_equal(stage_deadline(b->stage), 5000);
}

static void more_keys_than_can_be_written_down_are_too_many(void **state)
{
    struct bench *b = *state;
    const struct record_origin from = {.seq = 1, .is_counted = true};
    int rc = 0;

    b->rules = (struct stage_rules){.size = MIB, .interval = 1000, .max_partitions = SIZE_MAX};
    stage_begin(b->stage, &b->rules, 1, 1, 0, 0);
    for (uint64_t i = 0; i <= STAGE_PARTS_MAX && rc == 0; i++) {
        char key[32];
        int n = snprintf(key, sizeof(key), "k%c%llu", '\0', (unsigned long long)i);

        rc = stage_add(b->stage, STAGE_RECORDS, slice_of(key, (size_t)n + 1), SLICE("x"), &from, &b->e);
    }
    assert_int_equal(rc, -1);
    assert_int_equal(b->e.code, ERR_LIMIT);
    stage_undo(b->stage);
    assert_int_equal(stage_open_count(b->stage), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whatever_fails_each_record_is_once_in_its_key, set_up, take_down),
        cmocka_unit_test_setup_teardown(the_one_whose_time_comes_first_is_closed_early, set_up, take_down),
        cmocka_unit_test_setup_teardown(an_object_has_its_size_and_its_age, set_up, take_down),
        cmocka_unit_test_setup_teardown(on_a_full_disk_it_leaves_room_for_what_deliveries_write, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_piece_of_many_keys_waits_for_its_room_in_the_journal, set_up, take_down),
        cmocka_unit_test_setup_teardown(more_bytes_than_there_may_be_are_closed_early, set_up, take_down),
        cmocka_unit_test_setup_teardown(an_error_of_any_write_of_the_piece_is_seen, set_up, take_down),
        cmocka_unit_test_setup_teardown(what_is_flushed_is_written_once_and_held_no_more, set_up, take_down),
        cmocka_unit_test_setup_teardown(what_is_expected_of_many_parcels_has_a_bound, set_up, take_down),
        cmocka_unit_test(a_large_piece_has_lanes_of_one_size_as_far_as_there_may_be),
        cmocka_unit_test_setup_teardown(a_backlog_gathers, set_up, take_down),
        cmocka_unit_test_setup_teardown(beside_damage_nothing_is_removed, set_up, take_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_kept_aside_stays, set_up, take_down),
        cmocka_unit_test_setup_teardown(an_end_that_cannot_be_kept_aside_is_not_cut_off, set_up, take_down),
        cmocka_unit_test_setup_teardown(more_keys_than_can_be_written_down_are_too_many, set_up, take_down),
    };

    return cmocka_run_group_tests_name("stage", tests, NULL, NULL);
}
