/* store_rig.h -- the stream of delivery_rig.h between sinks that keep every object they get, on a disk that may fail. */
#ifndef TESTS_UNIT_DELIVERY_STORE_RIG_H
#define TESTS_UNIT_DELIVERY_STORE_RIG_H

#include "tests/unit/delivery/delivery_rig.h"

#include "pipeline/base/key_set.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- a sink that keeps all ----------------------------------------------------------------------------------------- */

enum { OBJECTS_MAX = 8000 };

struct object_kept {
    char name[160], key[16];
    bool error, source;
    char *body;
    unsigned puts;
};

struct store {
    pthread_mutex_t lock;
    struct object_kept objects[OBJECTS_MAX]; /* in the order in which they came first */
    size_t count;
    unsigned refuse_every, asked; /* 0: never */
    bool scripts_change;          /* from run to run: what an earlier one sealed may become something else */
};

static inline int store_open(void **state, const void *conf, const struct sink_env *env, struct err *e)
{
    (void)env, (void)e;
    *state = *(struct store *const *)conf;
    return 0;
}

static inline void key_of(const struct sink_seal_id *id, char *out, size_t size)
{
    struct slice rest = id->keys, name, value;

    out[0] = '\0';
    if (key_set_next(&rest, &name, &value))
        snprintf(out, size, "%.*s", (int)value.n, value.p);
}

static inline int store_name(const void *state, const struct sink_seal_id *id, const char *extension, struct buf *out,
                             struct err *e)
{
    char key[16];

    (void)state, (void)extension;
    key_of(id, key, sizeof(key));
    return buf_printf(out, "%s/%llx-%llx-%llx-%llx%s", key, (unsigned long long)id->epoch,
                      (unsigned long long)id->first, (unsigned long long)id->last, (unsigned long long)id->window,
                      !id->error_type                                 ? ""
                      : strstr(id->error_type, "metadata-extraction") ? "-error-unkeyed"
                                                                      : "-error") < 0
               ? err_set(e, ERR_LIMIT, "no room")
               : 0;
}

static inline enum sink_outcome store_send(const void *state, const struct sink_seal *s, struct sink_verdict *v)
{
    struct store *st = (struct store *)(uintptr_t)state;
    size_t n = (size_t)body_size(s->body), i = 0;
    char *body = mem_alloc(n + 1), name[160];
    struct err e;

    assert(body_read(s->body, 0, body, n, &e) == (long)n || n == 0);
    snprintf(name, sizeof(name), "%.*s", (int)s->name.n, s->name.p);
    v->retry_after = NSEC_PER_MSEC;
    snprintf(v->code, sizeof(v->code), "Busy");
    pthread_mutex_lock(&st->lock);
    if (st->refuse_every && ++st->asked % st->refuse_every == 0) {
        pthread_mutex_unlock(&st->lock);
        mem_free(body);
        return SINK_RETRY;
    }
    while (i < st->count && strcmp(st->objects[i].name, name) != 0)
        i++;
    assert(i < OBJECTS_MAX);
    if (i == st->count) {
        st->count++;
        snprintf(st->objects[i].name, sizeof(st->objects[i].name), "%s", name);
        key_of(&s->id, st->objects[i].key, sizeof(st->objects[i].key));
        st->objects[i].error = s->id.error_type != NULL;
    } else {
        /* What comes again is the same; but an error line says when. */
        assert(st->objects[i].error || st->scripts_change || strcmp(st->objects[i].body, body) == 0);
        mem_free(st->objects[i].body);
    }
    st->objects[i].puts++;
    st->objects[i].body = body;
    pthread_mutex_unlock(&st->lock);
    return SINK_DELIVERED;
}

static inline void store_describe(const void *state, struct buf *out)
{
    (void)state;
    (void)!buf_add_str(out, "a store");
}

static const struct sink_ops STORE = {
    .name = "store",
    .fields = fake_fields,
    .conf_size = sizeof(struct store *),
    .error_prefix = "store-failed",
    .metric = "store",
    .open = store_open,
    .close = fake_close,
    .name_object = store_name,
    .send = store_send,
    .describe = store_describe,
};

/* --- a disk that fails ----------------------------------------------------------------------------------------------- */

static atomic_int calls_left; /* the call that fails; below 0: none */

static inline bool fails(void)
{
    if (atomic_load(&calls_left) < 0 || atomic_fetch_sub(&calls_left, 1) != 0)
        return false;
    errno = ENOSPC;
    return true;
}

static inline int failing_open(const char *path, int flags, mode_t mode)
{
    return fails() ? -1 : io_ops_real.open(path, flags, mode);
}

static atomic_size_t room = SIZE_MAX; /* the most that one write may have */

static inline ssize_t failing_pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += v[i].iov_len;
    if (bytes > atomic_load(&room)) {
        errno = EDQUOT;
        return -1;
    }
    return fails() ? -1 : io_ops_real.pwritev(fd, v, count, offset);
}

static inline int failing_fdatasync(int fd)
{
    (void)fd;
    return fails() ? -1 : 0;
}

static struct io_ops files;

static inline void store_disk_works(void)
{
    files = io_ops_real;
    files.open = failing_open;
    files.pwritev = failing_pwritev;
    files.fdatasync = failing_fdatasync;
    atomic_store(&calls_left, -1);
}

static inline struct store *new_store(void)
{
    struct store *s = mem_alloc(sizeof(*s));

    pthread_mutex_init(&s->lock, NULL);
    return s;
}

static inline void free_store(struct store *s)
{
    for (size_t i = 0; i < s->count; i++)
        mem_free(s->objects[i].body);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* While the others go on. */
static inline void leave(struct rig *r)
{
    time_t end = time(NULL) + WAIT_S;

    committer_barrier(r->committer);
    stream_give_up(r->stream);
    while (!stream_has_given_up(r->stream)) {
        usleep(1000);
        assert_true(time(NULL) < end);
    }
    stream_leave(r->stream);
    stream_close(&r->stream);
}

/* --- many orders --------------------------------------------------------------------------------------------------- */

/* Seeds from 1. Most of the time they wait for the disk to be tried again: so several processes wait side by side. */
static inline void run_seeds(uint64_t seeds, void (*one_order)(uint64_t seed))
{
    enum { PROCESSES = 8 };
    pid_t pids[PROCESSES];
    bool all_passed = true;

    for (uint64_t i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] > 0)
            continue;
        for (uint64_t seed = 1 + i; seed <= seeds; seed += PROCESSES)
            one_order(seed);
        _exit(0); /* one that fails ends with what main() says */
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        all_passed = all_passed && status == 0;
    }
    assert_true(all_passed);
}

#endif
