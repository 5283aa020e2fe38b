/* spool_fixture.h -- a spool in a folder of its own whose rounds and whose time are made by the test. */
#ifndef TESTS_UNIT_SPOOL_SPOOL_FIXTURE_H
#define TESTS_UNIT_SPOOL_SPOOL_FIXTURE_H

#include "tests/support/cmocka.h"

#include "pipeline/base/mem.h"
#include "pipeline/spool/spool_impl.h"
#include "pipeline/base/io.h"
#include "pipeline/spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char root[64], dir[128];
    struct committer *committer;
    struct spool *spool;
    struct spool_conf conf;
    struct spool_recovery found;
    nsec now;
};

/* A wait that remembers its answer. */
struct answer {
    struct spool_wait wait;
    int calls;
    bool safe;
};

static inline void note_answer(struct spool_wait *w, bool safe)
{
    struct answer *a = (struct answer *)(void *)w;

    a->calls++;
    a->safe = safe;
}

static inline void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *entry;
    char child[512];

    while (d && (entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
        if (unlink(child) < 0)
            remove_tree(child);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static inline void copy_file(const char *from, const char *to)
{
    char chunk[65536];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t n;

    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, chunk, sizeof(chunk))) > 0)
        assert_int_equal(write(out, chunk, (size_t)n), n);
    close(in);
    close(out);
}

/* The files of one folder, without those below. */
static inline void copy_folder(const char *from, const char *to)
{
    DIR *d = opendir(from);
    struct dirent *entry;
    char a[512], b[512];

    assert_non_null(d);
    remove_tree(to);
    assert_int_equal(mkdir(to, 0700), 0);
    while ((entry = readdir(d))) {
        struct stat st;

        snprintf(a, sizeof(a), "%s/%s", from, entry->d_name);
        snprintf(b, sizeof(b), "%s/%s", to, entry->d_name);
        if (stat(a, &st) == 0 && S_ISREG(st.st_mode))
            copy_file(a, b);
    }
    closedir(d);
}

static inline void open_spool(struct fixture *x)
{
    struct err e;

    x->committer = committer_new();
    if (spool_open(&x->spool, &x->conf, x->committer, &x->found, &e) < 0)
        fail_msg("%s", e.msg);
}

static inline void close_spool(struct fixture *x)
{
    spool_close(&x->spool);
    committer_free(&x->committer);
}

static inline void reopen_spool(struct fixture *x)
{
    close_spool(x);
    open_spool(x);
}

static inline struct fixture *fixture_new(bool memory, uint64_t limit, uint64_t segment_bytes)
{
    struct fixture *x = mem_alloc(sizeof(*x));

    /* In memory when there is such a place: thousands of small files are made here. */
    snprintf(x->root, sizeof(x->root), "%s/sluice-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(x->root));
    snprintf(x->dir, sizeof(x->dir), "%s/streams/app/spool", x->root);
    x->conf = (struct spool_conf){
        .stream = "app", .dir = x->dir, .memory = memory, .limit = limit, .segment_bytes = segment_bytes};
    x->now = NSEC_PER_SEC;
    open_spool(x);
    return x;
}

static inline void fixture_free(struct fixture *x)
{
    close_spool(x);
    remove_tree(x->root);
    mem_free(x);
}

/* A round; later than anything that waits for its time. */
static inline void commit(struct fixture *x)
{
    x->now += NSEC_PER_SEC;
    committer_round(x->committer, x->now);
    x->now += NSEC_PER_SEC;
    committer_round(x->committer, x->now);
}

static inline enum spool_answer append(struct fixture *x, const char *const *records, size_t count, nsec arrival,
                                       struct answer *a)
{
    struct frame *f = frame_new(64 * count + 4096, arrival, NULL);
    enum spool_answer rc;

    for (size_t i = 0; i < count; i++)
        assert_true(frame_add(f, slice_str(records[i])));
    if (a)
        a->wait.done = note_answer;
    rc = spool_append(x->spool, &f, a ? &a->wait : NULL);
    if (rc == SPOOL_TAKEN)
        assert_null(f);
    frame_free(&f);
    return rc;
}

/* `count` records "<prefix><n>" in one frame. */
static inline enum spool_answer append_some(struct fixture *x, const char *prefix, size_t count, struct answer *a)
{
    struct frame *f = frame_new(64 * count, x->now, NULL);
    enum spool_answer rc;
    char rec[64];

    for (size_t i = 0; i < count; i++) {
        snprintf(rec, sizeof(rec), "%s%zu", prefix, i);
        assert_true(frame_add(f, slice_str(rec)));
    }
    if (a)
        a->wait.done = note_answer;
    rc = spool_append(x->spool, &f, a ? &a->wait : NULL);
    frame_free(&f);
    return rc;
}

/* Seals for the reader up to `end` (0: all that is committed, and is for it) and returns the seal's first record; 0 when there is nothing. */
static inline uint64_t seal_for(struct spool_reader *r, uint64_t end, const char *note, struct answer *a)
{
    struct spool_cursor start = spool_cut(r), at = start;
    struct seal seal = {.first = at.seq, .start = at, .oldest = NSEC_NEVER, .note = slice_str(note)};
    struct err e;

    while (end == 0 || at.seq < end) {
        struct spool_run run;
        int rc = spool_scan_part(r, &at, UINT64_MAX, end ? end - at.seq : UINT64_MAX, true, &run, &at, &e);

        if (rc == 0)
            break;
        seal.bytes += rc > 0 ? run.bytes : 0;
        if (rc > 0 && run.arrival < seal.oldest)
            seal.oldest = run.arrival;
    }
    if (at.seq == start.seq)
        return 0;
    seal.last = at.seq - 1;
    if (a)
        a->wait.done = note_answer;
    spool_seal(r, &seal, &at, a ? &a->wait : NULL);
    return seal.first;
}

static inline uint64_t seal_up_to(struct fixture *x, uint64_t end, const char *note, struct answer *a)
{
    return seal_for(spool_reader(x->spool, 0), end, note, a);
}

static inline void settle(struct fixture *x, uint64_t first, uint64_t count)
{
    spool_settle(spool_reader(x->spool, 0), first, &(struct seal_result){.delivered = count});
}

/* The books balance, and what is spooled is what is there. */
static inline void spool_check(struct fixture *x)
{
    struct spool_books b;

    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.incoming, b.delivered + b.dropped + b.backed_up + b.corrupt + b.spooled);
    assert_true(spool_cut(spool_reader(x->spool, 0)).seq <= b.incoming + 1);
    assert_true((b.oldest_arrival == NSEC_NEVER) == (b.spooled == 0));
    assert_true((b.spooled_bytes == 0) == (b.spooled == 0));
}

#endif
