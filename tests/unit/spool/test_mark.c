/* What was acknowledged is known: whatever is gone or damaged of it is said, counted and kept, and nothing else is. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/spool/format/mark.h"
#include "pipeline/spool/format/segment.h"
#include "pipeline/spool/inspect.h"
#include "pipeline/spool/spool_impl.h"

enum { FRAMES = 12, PER_FRAME = 10 };

static int setup(void **state)
{
    struct fixture *x = fixture_new(false, 64 * MIB, 500);

    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(append_some(x, "record ", PER_FRAME, NULL), SPOOL_TAKEN);
        commit(x);
    }
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static char *path_of(const struct fixture *x, const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", x->dir, name);
    return path;
}

static char *segment_of(const struct fixture *x, uint64_t number)
{
    char name[SEGMENT_NAME_BYTES];

    return path_of(x, segment_name(number, name));
}

static off_t size_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void flip(const char *path, off_t at)
{
    int fd = open(path, O_RDWR);
    unsigned char c;

    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 0x20;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void remember(void *ctx, const struct spool_damage *d)
{
    snprintf(ctx, 128, "%s", d->what);
}

/* fsck finds something with `what` in it; `lost` records. */
static void check_inspected(struct fixture *x, const char *what, uint64_t lost)
{
    char said[128] = "nothing";
    struct spool_report r;
    struct err e;

    assert_int_equal(spool_inspect(x->dir, &r, remember, said, &e), 0);
    if (r.lost_records != lost || !strstr(said, what))
        fail_msg("said `%s`, %llu lost, not `%s`, %llu", said, (unsigned long long)r.lost_records, what,
                 (unsigned long long)lost);
    assert_int_equal(r.waiting, FRAMES * PER_FRAME);
    assert_int_equal(r.torn_bytes, 0);
}

/* Reads from the cut on. Every number is either read or lost. */
static void check_read(struct fixture *x, uint64_t lost_wanted)
{
    struct spool_cursor at = spool_cut(spool_reader(x->spool, 0));
    uint64_t seen = 0, lost = 0;
    struct frame_view v;
    struct buf raw;
    struct err e;
    int rc = 1;

    buf_init(&raw, FRAME_READ_MAX);
    while (rc != 0) {
        uint64_t from = at.seq;

        rc = spool_read(x->spool, &at, &raw, &v, &e);
        *(rc > 0 ? &seen : &lost) += at.seq - from;
    }
    buf_release(&raw);
    assert_int_equal(lost, lost_wanted);
    assert_int_equal(seen + lost, FRAMES * PER_FRAME);
}

/* A start says it, counts it, delivers the rest, and gives no number out again. */
static void check_started(struct fixture *x, const char *what, uint64_t lost)
{
    struct spool_books b;
    uint64_t first;

    open_spool(x);
    assert_true(x->found.damaged);
    if (!strstr(x->found.damage.msg, what))
        fail_msg("said: %s", x->found.damage.msg);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.incoming, FRAMES * PER_FRAME);
    check_read(x, lost);
    assert_int_equal(append_some(x, "more ", 1, NULL), SPOOL_TAKEN);
    commit(x);
    first = seal_up_to(x, 0, "", NULL);
    commit(x);
    spool_settle(spool_reader(x->spool, 0), first,
                 &(struct seal_result){.corrupt = lost, .delivered = FRAMES * PER_FRAME + 1 - lost});
    commit(x);
    spool_check(x);
    reopen_spool(x);
    assert_false(x->found.damaged);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.corrupt, lost);
    assert_int_equal(b.incoming, FRAMES * PER_FRAME + 1);
}

static bool is_kept(struct fixture *x)
{
    DIR *d = opendir(path_of(x, "damaged"));
    struct dirent *entry;
    bool found = false;

    while (d && (entry = readdir(d)))
        found |= entry->d_name[0] != '.';
    if (d)
        closedir(d);
    return found;
}

static uint64_t newest(struct fixture *x)
{
    return spool_active(x->spool)->number;
}

static void damage_in_the_last_frame_is_no_torn_end(void **state)
{
    struct fixture *x = *state;
    uint64_t number = newest(x);
    off_t size = (off_t)spool_active(x->spool)->size;

    close_spool(x);
    flip(segment_of(x, number), size - 1);
    check_inspected(x, "the contents of a frame", PER_FRAME);
    check_started(x, "the contents of a frame", PER_FRAME);
    assert_true(is_kept(x));
}

static void without_a_mark_it_is_cut_off_and_a_copy_kept(void **state)
{
    struct fixture *x = *state;
    uint64_t number = newest(x);
    off_t size = (off_t)spool_active(x->spool)->size;
    struct spool_books b;

    close_spool(x);
    flip(segment_of(x, number), size - 1);
    assert_int_equal(unlink(path_of(x, "mark")), 0);
    open_spool(x);
    assert_false(x->found.damaged);
    assert_true(x->found.torn_bytes > 0);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.incoming, (FRAMES - 1) * PER_FRAME);
    assert_true(is_kept(x));
}

static void an_end_that_is_gone_is_said_at_every_byte(void **state)
{
    struct fixture *x = *state, *y = fixture_new(false, 64 * MIB, 500);
    uint64_t number = newest(x), records = FRAMES * PER_FRAME - spool_active(x->spool)->first + 1;
    off_t size = (off_t)spool_active(x->spool)->size;

    close_spool(y);
    for (off_t at = 0; at < size; at += 3) {
        struct spool_books b;
        struct spool_report r;
        char said[128];
        struct err e;

        copy_folder(x->dir, y->dir);
        assert_int_equal(truncate(segment_of(y, number), at), 0);
        assert_int_equal(spool_inspect(y->dir, &r, remember, said, &e), 0);
        assert_true(r.lost_records > 0 && r.lost_records <= records && r.lost_records % PER_FRAME == 0);
        assert_int_equal(r.torn_bytes, 0);
        open_spool(y);
        assert_true(y->found.damaged);
        assert_int_equal(y->found.corrupt_records, r.lost_records);
        spool_books(spool_reader(y->spool, 0), &b);
        assert_int_equal(b.incoming, FRAMES * PER_FRAME);
        check_read(y, r.lost_records);
        close_spool(y);
    }
    open_spool(y);
    fixture_free(y);
}

static void the_newest_segment_is_missed(void **state)
{
    struct fixture *x = *state;
    uint64_t number = newest(x), lost = FRAMES * PER_FRAME - spool_active(x->spool)->first + 1;

    close_spool(x);
    assert_int_equal(unlink(segment_of(x, number)), 0);
    check_inspected(x, "the file is missing", lost);
    check_started(x, "the file is missing", lost);
    assert_true(newest(x) > number); /* it may be found again: its number is not given out twice */
}

static void a_segment_in_the_middle_is_missed(void **state)
{
    struct fixture *x = *state;
    const struct segment *second = x->spool->segments[1];
    uint64_t number = second->number, lost = second->end - second->first;

    close_spool(x);
    assert_int_equal(unlink(segment_of(x, number)), 0);
    check_inspected(x, "the file is missing", lost);
    check_started(x, "the file is missing", lost);
}

static void the_oldest_segment_is_missed(void **state)
{
    struct fixture *x = *state;
    const struct segment *oldest = x->spool->segments[0];
    uint64_t number = oldest->number, lost = oldest->end - oldest->first;

    close_spool(x);
    assert_int_equal(unlink(segment_of(x, number)), 0);
    check_inspected(x, "the file is missing", lost);
    check_started(x, "the file is missing", lost);
}

static void the_end_of_an_older_segment_is_missed(void **state)
{
    struct fixture *x = *state;
    const struct segment *second = x->spool->segments[1];
    uint64_t number = second->number;
    off_t size = (off_t)second->size;

    close_spool(x);
    assert_int_equal(truncate(segment_of(x, number), size - 1), 0);
    check_inspected(x, "its end is missing", PER_FRAME);
    check_started(x, "its end is missing", PER_FRAME);
}

static void all_segments_are_missed(void **state)
{
    struct fixture *x = *state;
    unsigned char identity[SEGMENT_IDENTITY_BYTES];

    memcpy(identity, spool_identity(x->spool), sizeof(identity));
    close_spool(x);
    for (uint64_t number = 1; number < 40; number++)
        unlink(segment_of(x, number));
    check_inspected(x, "the file is missing", FRAMES * PER_FRAME);
    check_started(x, "the file is missing", FRAMES * PER_FRAME);
    assert_memory_equal(spool_identity(x->spool), identity, sizeof(identity));
}

static void what_is_settled_is_not_missed(void **state)
{
    struct fixture *x = *state;
    struct spool_report r;
    char said[128];
    uint64_t first;
    struct err e;

    first = seal_up_to(x, 61, "", NULL);
    commit(x);
    close_spool(x);
    open_spool(x);
    settle(x, first, 60);
    commit(x);
    assert_int_equal(access(segment_of(x, 1), F_OK), -1);
    assert_int_equal(spool_inspect(x->dir, &r, remember, said, &e), 0);
    assert_int_equal(r.damages, 0);
    reopen_spool(x);
    assert_false(x->found.damaged);
}

/* --- of another stream --------------------------------------------------------------------------------------------- */

static struct fixture *another_stream(void)
{
    struct fixture *y = fixture_new(false, 64 * MIB, 500);

    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(append_some(y, "foreign ", PER_FRAME, NULL), SPOOL_TAKEN);
        commit(y);
    }
    return y;
}

static void put_foreign(struct fixture *x, struct fixture *y, uint64_t from, uint64_t to)
{
    char *path = mem_strdup(segment_of(y, from));

    copy_file(path, segment_of(x, to));
    mem_free(path);
    fixture_free(y);
}

static void a_segment_of_another_stream_is_not_delivered(void **state)
{
    struct fixture *x = *state;
    const struct segment *second = x->spool->segments[1];
    uint64_t number = second->number, lost = second->end - second->first;

    close_spool(x);
    put_foreign(x, another_stream(), number, number);
    check_inspected(x, "the file is missing", lost);
    check_started(x, "belongs to another stream", lost);
    assert_true(is_kept(x)); /* its own stream may want it back */
}

static void nor_one_in_the_place_of_the_newest(void **state)
{
    struct fixture *x = *state;
    uint64_t number = newest(x), lost = FRAMES * PER_FRAME - spool_active(x->spool)->first + 1;

    close_spool(x);
    put_foreign(x, another_stream(), number, number);
    check_inspected(x, "the file is missing", lost);
    check_started(x, "belongs to another stream", lost);
}

static void nor_one_that_has_another_number_inside(void **state)
{
    struct fixture *x = *state;
    const struct segment *second = x->spool->segments[1];
    uint64_t number = second->number, lost = second->end - second->first;

    close_spool(x);
    put_foreign(x, another_stream(), 1, number);
    check_inspected(x, "the file is missing", lost);
    check_started(x, "belongs to another stream", lost);
}

static void nor_one_that_is_the_only_one(void **state)
{
    struct fixture *x = *state;

    close_spool(x);
    for (uint64_t number = 2; number < 40; number++)
        unlink(segment_of(x, number));
    put_foreign(x, another_stream(), 1, 1);
    check_inspected(x, "the file is missing", FRAMES * PER_FRAME);
    check_started(x, "belongs to another stream", FRAMES * PER_FRAME);
}

/* The identity file is gone; the oldest segment and the mark are ours, all other segments of another stream, as many as those two. */
static void where_as_many_are_foreign_the_mark_decides(void **state)
{
    struct fixture *x = *state, *y = another_stream();
    uint64_t lost = FRAMES * PER_FRAME - x->spool->segments[0]->end + 1;

    assert_int_equal(x->spool->segment_count, 3);
    for (size_t i = 1; i < 3; i++) {
        uint64_t number = x->spool->segments[i]->number;
        char *path = mem_strdup(segment_of(y, number));

        copy_file(path, segment_of(x, number));
        mem_free(path);
    }
    close_spool(x);
    fixture_free(y);
    assert_int_equal(unlink(path_of(x, "identity")), 0);
    check_inspected(x, "the file is missing", lost);
    check_started(x, "belongs to another stream", lost);
}

/* --- a mark of another stream --------------------------------------------------------------------------------------- */

/* All is delivered, the mark is set aside, and the spool has its own again. */
static void check_mark_set_aside(struct fixture *x)
{
    unsigned char identity[SEGMENT_IDENTITY_BYTES];
    struct spool_mark m;

    memcpy(identity, spool_identity(x->spool), sizeof(identity));
    close_spool(x);
    check_inspected(x, "belongs to another stream", 0);
    check_started(x, "mark is damaged at offset 0: it belongs to another stream", 0);
    assert_memory_equal(spool_identity(x->spool), identity, sizeof(identity));
    assert_true(mark_read(&io_ops_real, x->dir, &m));
    assert_memory_equal(m.identity, identity, sizeof(identity));
    assert_int_equal(access(path_of(x, "damaged/mark"), F_OK), 0);
}

static void put_foreign_mark(struct fixture *x, struct fixture *y)
{
    char *path = mem_strdup(path_of(y, "mark"));

    copy_file(path, path_of(x, "mark"));
    mem_free(path);
    fixture_free(y);
}

static void a_mark_of_another_stream_says_nothing_about_this_one(void **state)
{
    struct fixture *x = *state;

    put_foreign_mark(x, another_stream());
    check_mark_set_aside(x);
}

static void nor_where_nothing_but_the_segments_contradicts_it(void **state)
{
    struct fixture *x = *state;

    put_foreign_mark(x, another_stream());
    assert_int_equal(unlink(path_of(x, "identity")), 0);
    check_mark_set_aside(x);
}

/* A stream with all its records in one segment. */
static struct fixture *with_one_segment(void)
{
    struct fixture *y = fixture_new(false, 64 * MIB, 0);

    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(append_some(y, "record ", PER_FRAME, NULL), SPOOL_TAKEN);
        commit(y);
    }
    return y;
}

static void with_one_segment_the_identity_file_decides(void **state)
{
    struct fixture *x = with_one_segment(), *y = with_one_segment();

    (void)state;
    put_foreign_mark(x, y);
    check_mark_set_aside(x);
    fixture_free(x);

    x = with_one_segment();
    close_spool(x);
    put_foreign(x, with_one_segment(), 1, 1);
    check_inspected(x, "the file is missing", FRAMES * PER_FRAME);
    check_started(x, "belongs to another stream", FRAMES * PER_FRAME);
    fixture_free(x);
}

static void an_identity_of_another_stream_is_outvoted(void **state)
{
    struct fixture *x = *state, *y = another_stream();
    char *path = mem_strdup(path_of(y, "identity"));
    unsigned char identity[SEGMENT_IDENTITY_BYTES], noted[SEGMENT_IDENTITY_BYTES];

    memcpy(identity, spool_identity(x->spool), sizeof(identity));
    close_spool(x);
    copy_file(path, path_of(x, "identity"));
    mem_free(path);
    fixture_free(y);
    open_spool(x);
    assert_false(x->found.damaged);
    assert_memory_equal(spool_identity(x->spool), identity, sizeof(identity));
    assert_true(identity_read(&io_ops_real, x->dir, noted));
    assert_memory_equal(noted, identity, sizeof(identity));
}

/* --- right stream, wrong name --------------------------------------------------------------------------------------- */

static void move_segment(struct fixture *x, uint64_t from, uint64_t to)
{
    char *path = mem_strdup(segment_of(x, from));

    assert_int_equal(rename(path, segment_of(x, to)), 0);
    mem_free(path);
}

static void segments_that_changed_places_change_back(void **state)
{
    struct fixture *x = *state;
    uint64_t last = newest(x);

    close_spool(x);
    move_segment(x, 1, 1000);
    move_segment(x, last, 1);
    move_segment(x, 2, last);
    move_segment(x, 1000, 2);
    check_inspected(x, "the name of another segment", 0);
    check_started(x, "the name of another segment", 0);
}

static void a_segment_that_was_renamed_has_its_name_back(void **state)
{
    static const uint64_t TO[] = {3000, 4000};
    struct fixture *x = *state;
    uint64_t last = newest(x);

    close_spool(x);
    move_segment(x, 2, TO[0]);
    move_segment(x, last, TO[1]);
    check_inspected(x, "the name of another segment", 0);
    check_started(x, "the name of another segment", 0);
    assert_int_equal(access(segment_of(x, TO[0]), F_OK), -1);
    assert_int_equal(access(segment_of(x, TO[1]), F_OK), -1);
    assert_true(newest(x) < TO[0]);
}

static void a_copy_is_set_aside(void **state)
{
    struct fixture *x = *state;
    char *path = mem_strdup(segment_of(x, 2));

    close_spool(x);
    copy_file(path, segment_of(x, 5000));
    mem_free(path);
    check_inspected(x, "it is a copy of another segment", 0);
    check_started(x, "it is a copy of another segment", 0);
    assert_int_equal(access(segment_of(x, 5000), F_OK), -1);
    assert_true(is_kept(x));
}

static void a_copy_in_the_place_of_another_is_set_aside_and_that_one_missed(void **state)
{
    struct fixture *x = *state;
    const struct segment *second = x->spool->segments[1];
    uint64_t number = second->number, lost = second->end - second->first;
    char *path = mem_strdup(segment_of(x, newest(x)));

    close_spool(x);
    copy_file(path, segment_of(x, number));
    mem_free(path);
    check_inspected(x, "the file is missing", lost);
    check_started(x, "it is a copy of another segment", lost);
}

/* --- noted before anything is put in order -------------------------------------------------------------------------- */

static char *note_path;
static unsigned changes;

static bool is_noted(void)
{
    changes++;
    return access(note_path, F_OK) == 0;
}

static int rename_after_note(const char *from, const char *to)
{
    if (strstr(to, "/damaged/"))
        assert_true(is_noted());
    return io_ops_real.rename(from, to);
}

static int move_after_note(const char *from, const char *to, unsigned flags)
{
    assert_true(is_noted());
    return io_ops_real.move(from, to, flags);
}

/* A start that is killed between the two leaves a log that looks whole. */
static void check_noted_first(struct fixture *x)
{
    struct io_ops files = io_ops_real;

    files.rename = rename_after_note;
    files.move = move_after_note;
    note_path = mem_strdup(path_of(x, "damage"));
    changes = 0;
    assert_int_equal(access(note_path, F_OK), -1);
    x->conf.files = &files;
    open_spool(x);
    assert_int_equal(changes, 1);
    close_spool(x);
    x->conf.files = NULL;
    open_spool(x);
    assert_true(x->found.was_damaged);
    spool_forget_damage(x->spool);
    reopen_spool(x);
    assert_false(x->found.was_damaged);
    MEM_CLEAR(note_path);
}

static void that_something_is_out_of_place_is_noted_before_it_is_put_right(void **state)
{
    struct fixture *x = *state;
    char *path = mem_strdup(segment_of(x, 2));

    spool_forget_damage(x->spool);
    close_spool(x);
    copy_file(path, segment_of(x, 5000));
    mem_free(path);
    check_noted_first(x);
    close_spool(x);
    move_segment(x, 2, 3000);
    check_noted_first(x);
    put_foreign_mark(x, another_stream());
    close_spool(x);
    check_noted_first(x);
}

/* Nobody knows yet what lies beside it: that may be of a log that is lost. */
static void that_there_was_no_log_is_noted_until_all_beside_it_is_in_safety(void **state)
{
    struct fixture *x = *state;

    spool_forget_damage(x->spool);
    close_spool(x);
    remove_tree(x->dir);
    for (int start = 0; start < 2; start++) {
        open_spool(x);
        assert_int_equal(x->found.is_new, start == 0);
        assert_int_equal(x->found.was_damaged, start == 1);
        assert_false(x->found.damaged);
        close_spool(x);
    }
    open_spool(x);
    spool_forget_damage(x->spool);
    reopen_spool(x);
    assert_false(x->found.was_damaged || x->found.damaged || x->found.is_new);
}

/* --- what is no file ------------------------------------------------------------------------------------------------ */

static void refused(struct fixture *x, const char *what)
{
    struct spool_report r;
    char said[128];
    struct err e;

    e.msg[0] = '\0';
    assert_int_equal(spool_inspect(x->dir, &r, remember, said, &e), -1);
    assert_non_null(strstr(e.msg, what));
    e.msg[0] = '\0';
    x->committer = committer_new();
    assert_int_equal(spool_open(&x->spool, &x->conf, x->committer, &x->found, &e), -1);
    assert_non_null(strstr(e.msg, what));
    committer_free(&x->committer);
}

static void what_is_named_like_a_segment_and_is_no_file_is_refused_in_words(void **state)
{
    struct fixture *x = *state;
    char *path = mem_strdup(segment_of(x, 99)), *victim = mem_printf("%s/victim", x->root);

    close_spool(x);
    assert_int_equal(mkfifo(path, 0600), 0);
    refused(x, "is not a regular file");
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    refused(x, "is not a regular file");
    rmdir(path);
    copy_file(segment_of(x, 1), victim);
    assert_int_equal(symlink(victim, path), 0);
    refused(x, "is not a regular file");
    unlink(path);
    /* A link in the place of the mark is not written through. */
    unlink(path_of(x, "mark"));
    assert_int_equal(symlink(victim, path_of(x, "mark")), 0);
    open_spool(x);
    assert_false(x->found.damaged);
    assert_int_equal(append_some(x, "r", 1, NULL), SPOOL_TAKEN);
    commit(x);
    assert_int_equal(size_of(victim), size_of(segment_of(x, 1)));
    mem_free(victim);
    mem_free(path);
}

/* Of the folders of the spool, up to data_dir: that one may be a link. */
static void a_folder_that_is_a_link_is_refused_in_words(void **state)
{
    static const char *const FOLDERS[] = {"streams/app/spool/damaged", "streams/app/spool", "streams/app", "streams"};
    struct fixture *x = *state;
    char *elsewhere = mem_printf("%s.elsewhere", x->root);

    close_spool(x);
    assert_int_equal(mkdir(path_of(x, "damaged"), 0700), 0);
    for (size_t i = 0; i < ARRAY_LEN(FOLDERS); i++) {
        char *folder = mem_printf("%s/%s", x->root, FOLDERS[i]);

        assert_int_equal(rename(folder, elsewhere), 0);
        assert_int_equal(symlink(elsewhere, folder), 0);
        refused(x, "is a link");
        assert_int_equal(unlink(folder), 0);
        assert_int_equal(rename(elsewhere, folder), 0);
        mem_free(folder);
    }
    assert_int_equal(rename(x->root, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, x->root), 0);
    open_spool(x);
    assert_false(x->found.damaged);
    close_spool(x);
    assert_int_equal(unlink(x->root), 0);
    assert_int_equal(rename(elsewhere, x->root), 0);
    open_spool(x);
    mem_free(elsewhere);
}

/* A file that has a second name elsewhere is not written to under ours, and what is in the way of the mark does not keep it away. */
static void what_is_also_another_file_gives_way_to_mark_and_reserve(void **state)
{
    static const char *const NAMES[] = {"mark", "reserve"};
    struct fixture *x = *state;
    char *victim = mem_printf("%s/victim", x->root);
    struct spool_mark m;

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        FILE *f = fopen(victim, "w");

        assert_non_null(f);
        fputs("precious", f);
        fclose(f);
        close_spool(x);
        unlink(path_of(x, NAMES[i]));
        assert_int_equal(link(victim, path_of(x, NAMES[i])), 0);
        open_spool(x);
        assert_int_equal(append_some(x, "r", 1, NULL), SPOOL_TAKEN);
        commit(x);
        assert_int_equal(size_of(victim), 8);
        assert_true(size_of(path_of(x, NAMES[i])) > 8);
        unlink(victim);
    }
    close_spool(x);
    unlink(path_of(x, "mark"));
    assert_int_equal(symlink(victim, path_of(x, "mark")), 0);
    open_spool(x);
    assert_int_equal(append_some(x, "r", 1, NULL), SPOOL_TAKEN);
    commit(x);
    assert_true(mark_read(&io_ops_real, x->dir, &m));
    assert_int_equal(access(victim, F_OK), -1);
    mem_free(victim);
}

/* --- of version 0.1.0 ----------------------------------------------------------------------------------------------- */

static void write_at(int fd, const void *p, size_t n, off_t *at)
{
    assert_int_equal(pwrite(fd, p, n, *at), n);
    *at += (off_t)n;
}

static void write_frame(int fd, struct frame *f, uint64_t first, off_t *at)
{
    f->header.first = first;
    frame_finish(f);
    frame_header_encode(&f->header, 1, (uint64_t)*at, f->encoded);
    write_at(fd, f->encoded, sizeof(f->encoded), at);
    write_at(fd, f->extra.p, f->extra.n, at);
    write_at(fd, f->table, f->table_bytes, at);
    write_at(fd, f->payload, f->bytes, at);
    frame_free(&f);
}

/* A spool as version 0.1.0 left it, with one record. */
static void write_0_1_0(struct fixture *x)
{
    struct segment_header h = {.format = 1, .number = 1, .first = 1};
    unsigned char head[SEGMENT_HEADER_BYTES];
    struct frame *checkpoint = frame_new_control(FRAME_CHECKPOINT), *data = frame_new(64, 1, NULL);
    struct spool_state st;
    off_t at = 0;
    int fd;

    close_spool(x);
    remove_tree(x->dir);
    assert_int_equal(mkdir(x->dir, 0700), 0);
    fd = open(segment_of(x, 1), O_RDWR | O_CREAT, 0600);
    spool_state_init(&st);
    memset(st.identity, 7, sizeof(st.identity));
    memset(h.identity, 7, sizeof(h.identity));
    segment_header_encode(&h, head);
    write_at(fd, head, sizeof(head), &at);
    assert_int_equal(spool_state_encode(&st, &checkpoint->extra), 0);
    checkpoint->extra.n -= 2 * 4 + 3 * 8; /* it had nothing behind the positions */
    write_frame(fd, checkpoint, 1, &at);
    assert_true(frame_add(data, SLICE("record 1")));
    write_frame(fd, data, 1, &at);
    close(fd);
    spool_state_release(&st);
}

static void what_version_0_1_0_wrote_is_read_and_goes_on_in_a_new_segment(void **state)
{
    struct fixture *x = *state;
    struct spool_books b;

    write_0_1_0(x);
    open_spool(x);
    assert_false(x->found.damaged);
    assert_int_equal(spool_identity(x->spool)[0], 7);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.spooled, 1);
    assert_int_equal(newest(x), 2);
    assert_int_equal(append_some(x, "record ", 1, NULL), SPOOL_TAKEN);
    commit(x);
    reopen_spool(x);
    assert_false(x->found.damaged);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.spooled, 2);
}

static void what_version_0_1_0_wrote_may_have_two_readers_from_now_on(void **state)
{
    static const struct spool_reader_conf TWO[] = {{.name = "s3", .formerly = ""}, {.name = "es"}};
    struct fixture *x = *state;
    struct spool_books b;

    write_0_1_0(x);
    x->conf.readers = TWO;
    x->conf.reader_count = 2;
    for (int again = 0; again < 3; again++) {
        if (again)
            reopen_spool(x);
        else
            open_spool(x);
        assert_false(x->found.damaged);
        for (size_t i = 0; i < 2; i++) {
            spool_books(spool_reader(x->spool, i), &b);
            assert_int_equal(b.incoming, 1 + again);
            assert_int_equal(b.spooled, i && again ? again : 1 + again);
        }
        assert_int_equal(append_some(x, "record ", 1, NULL), SPOOL_TAKEN);
        commit(x);
        if (again)
            continue;
        assert_int_equal(seal_for(spool_reader(x->spool, 1), 2, "note", NULL), 1);
        commit(x);
        spool_settle(spool_reader(x->spool, 1), 1, &(struct seal_result){.delivered = 1});
        commit(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(damage_in_the_last_frame_is_no_torn_end, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_mark_it_is_cut_off_and_a_copy_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(an_end_that_is_gone_is_said_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(the_newest_segment_is_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_segment_in_the_middle_is_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_segment_is_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_of_an_older_segment_is_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(all_segments_are_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_settled_is_not_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_segment_of_another_stream_is_not_delivered, setup, teardown),
        cmocka_unit_test_setup_teardown(nor_one_in_the_place_of_the_newest, setup, teardown),
        cmocka_unit_test_setup_teardown(nor_one_that_has_another_number_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(nor_one_that_is_the_only_one, setup, teardown),
        cmocka_unit_test_setup_teardown(where_as_many_are_foreign_the_mark_decides, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mark_of_another_stream_says_nothing_about_this_one, setup, teardown),
        cmocka_unit_test_setup_teardown(nor_where_nothing_but_the_segments_contradicts_it, setup, teardown),
        cmocka_unit_test_setup_teardown(with_one_segment_the_identity_file_decides, setup, teardown),
        cmocka_unit_test_setup_teardown(an_identity_of_another_stream_is_outvoted, setup, teardown),
        cmocka_unit_test_setup_teardown(segments_that_changed_places_change_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_segment_that_was_renamed_has_its_name_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_is_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_in_the_place_of_another_is_set_aside_and_that_one_missed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(that_something_is_out_of_place_is_noted_before_it_is_put_right, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(that_there_was_no_log_is_noted_until_all_beside_it_is_in_safety, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_named_like_a_segment_and_is_no_file_is_refused_in_words, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_is_a_link_is_refused_in_words, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_also_another_file_gives_way_to_mark_and_reserve, setup, teardown),
        cmocka_unit_test_setup_teardown(what_version_0_1_0_wrote_is_read_and_goes_on_in_a_new_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(what_version_0_1_0_wrote_may_have_two_readers_from_now_on, setup, teardown),
    };

    return cmocka_run_group_tests_name("mark", tests, NULL, NULL);
}
