/* One thread in uv_run(). Other threads reach it through a list of posts and an async handle that wakes it; a call is a
 * post whose caller waits. Posts run in the order they were posted, so a call also waits for everything posted before
 * it: inputs rely on that when they stop.
 *
 * The thread is made at once, so that a missing one is an error of the start, and waits at a gate until loop_go(). Behind the gate no
 * input can hang yet, so what is made there needs no thread that answers. */
#include "pipeline/inputs/loop.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

struct input_loop {
    uv_loop_t uv;
    uv_async_t wake;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    struct loop_post first; /* behind all that was posted while it was held */
    bool goes, begun;       /* guarded by lock, as what follows */
    STAILQ_HEAD(posts, loop_post) posts;
    bool works;
    struct loop_work work; /* when it works */
};

/* Those that are there now: what they post themselves waits for the next turn. */
static void run_posts(uv_async_t *wake)
{
    struct posts all = STAILQ_HEAD_INITIALIZER(all);
    struct input_loop *l = wake->data;
    struct loop_post *p;

    pthread_mutex_lock(&l->lock);
    STAILQ_CONCAT(&all, &l->posts);
    pthread_mutex_unlock(&l->lock);
    while ((p = STAILQ_FIRST(&all))) {
        STAILQ_REMOVE_HEAD(&all, link); /* before fn: it may post p again */
        p->fn(p->arg);
    }
}

static void *run(void *arg)
{
    struct input_loop *l = arg;

    pthread_mutex_lock(&l->lock);
    while (!l->goes)
        pthread_cond_wait(&l->moved, &l->lock);
    pthread_mutex_unlock(&l->lock);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    return NULL;
}

static void note_begun(void *arg)
{
    struct input_loop *l = arg;

    pthread_mutex_lock(&l->lock);
    l->begun = true;
    pthread_cond_broadcast(&l->moved);
    pthread_mutex_unlock(&l->lock);
}

static void destroy(struct input_loop **l)
{
    int rc = uv_loop_close(&(*l)->uv);

    assert(rc == 0); /* an input left a handle open */
    (void)rc;
    pthread_cond_destroy(&(*l)->moved);
    pthread_mutex_destroy(&(*l)->lock);
    MEM_CLEAR(*l);
}

/* libuv makes a pipe with its first loop, and ends the process when it gets none. So what it takes is tried before. */
static int try_pipe(struct err *e)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_errno(e, "start the input loop: no descriptors for it");
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void *grow_bytes(void *p, size_t n)
{
    return mem_grow(p, n, 1);
}

int loop_start(struct input_loop **out, struct err *e)
{
    struct input_loop *l;
    int rc;

    if (try_pipe(e) < 0)
        return -1;
    /* Before anything else of libuv, which calls abort() without a word when it cannot grow its table of descriptors. All that it
     * allocates is small. */
    rc = uv_replace_allocator(mem_alloc, grow_bytes, mem_array, mem_free);
    assert(rc == 0); /* none of them is NULL */
    l = mem_alloc(sizeof(*l));
    rc = uv_loop_init(&l->uv);
    if (rc < 0) {
        mem_free(l);
        return err_set(e, ERR_IO, "start the input loop: %s", uv_strerror(rc));
    }
    pthread_mutex_init(&l->lock, NULL);
    thread_cond_init(&l->moved);
    l->first = (struct loop_post){.fn = note_begun, .arg = l};
    STAILQ_INIT(&l->posts);
    rc = uv_async_init(&l->uv, &l->wake, run_posts);
    if (rc < 0) {
        destroy(&l);
        return err_set(e, ERR_IO, "start the input loop: %s", uv_strerror(rc));
    }
    l->wake.data = l;
    if (thread_start_quiet(&l->thread, run, l, INPUT_LOOP_STACK_BYTES, "the input loop's thread", e) < 0) {
        uv_close((uv_handle_t *)&l->wake, NULL);
        uv_run(&l->uv, UV_RUN_DEFAULT);
        destroy(&l);
        return -1;
    }
    pthread_setname_np(l->thread, "inputs");
    *out = l;
    return 0;
}

void loop_go(struct input_loop *l)
{
    pthread_mutex_lock(&l->lock);
    if (!l->goes) {
        l->goes = true;
        STAILQ_INSERT_TAIL(&l->posts, &l->first, link);
        uv_async_send(&l->wake);
        pthread_cond_broadcast(&l->moved);
    }
    pthread_mutex_unlock(&l->lock);
}

bool loop_begun(struct input_loop *l, nsec until)
{
    struct timespec time = clock_timespec(until);
    bool begun;
    int rc = 0;

    pthread_mutex_lock(&l->lock);
    while (!l->begun && rc == 0)
        rc = pthread_cond_timedwait(&l->moved, &l->lock, &time);
    begun = l->begun;
    pthread_mutex_unlock(&l->lock);
    return begun;
}

static void close_wake(void *arg)
{
    struct input_loop *l = arg;

    uv_close((uv_handle_t *)&l->wake, NULL);
}

void loop_stop(struct input_loop **l)
{
    if (!*l)
        return;
    /* Without the wake handle nothing keeps uv_run() going: it returns once it has closed. Not a loop_call(): that
     * would touch the handle after it was closed. */
    struct loop_post stop = {.fn = close_wake, .arg = *l};

    loop_go(*l);
    loop_post(*l, &stop);
    pthread_join((*l)->thread, NULL);
    destroy(l);
}

uv_loop_t *loop_uv(struct input_loop *l)
{
    return &l->uv;
}

void loop_post(struct input_loop *l, struct loop_post *p)
{
    pthread_mutex_lock(&l->lock);
    STAILQ_INSERT_TAIL(&l->posts, p, link);
    uv_async_send(&l->wake); /* under the lock, so that the handle cannot be closed in between */
    pthread_mutex_unlock(&l->lock);
}

struct call {
    struct loop_post post;
    void (*fn)(void *arg);
    void *arg;
    sem_t ended;
};

static void run_call(void *arg)
{
    struct call *c = arg;

    c->fn(c->arg);
    sem_post(&c->ended);
}

void loop_call(struct input_loop *l, void (*fn)(void *arg), void *arg)
{
    struct call c = {.fn = fn, .arg = arg};
    bool held;

    pthread_mutex_lock(&l->lock);
    held = !l->goes;
    pthread_mutex_unlock(&l->lock);
    if (held) {
        fn(arg);
        return;
    }
    assert(!pthread_equal(pthread_self(), l->thread));
    sem_init(&c.ended, 0, 0);
    c.post = (struct loop_post){.fn = run_call, .arg = &c};
    loop_post(l, &c.post);
    while (sem_wait(&c.ended) < 0)
        continue; /* a signal */
    sem_destroy(&c.ended);
}

/* --- what it is at ----------------------------------------------------------------------------------------------- */

static void copy_text(char *to, size_t room, const char *from)
{
    size_t n = strlen(from);

    n = n < room ? n : room - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

void loop_works(struct input_loop *l, const char *stream, const char *input, const char *doing, const char *path)
{
    nsec now = clock_mono();

    pthread_mutex_lock(&l->lock);
    l->works = true;
    l->work.since = now;
    copy_text(l->work.stream, sizeof(l->work.stream), stream);
    copy_text(l->work.input, sizeof(l->work.input), input);
    copy_text(l->work.doing, sizeof(l->work.doing), doing);
    copy_text(l->work.path, sizeof(l->work.path), path);
    pthread_mutex_unlock(&l->lock);
}

void loop_rests(struct input_loop *l)
{
    pthread_mutex_lock(&l->lock);
    l->works = false;
    pthread_mutex_unlock(&l->lock);
}

bool loop_stands(struct input_loop *l, nsec mono_now, nsec least, struct loop_work *w)
{
    bool stands;

    pthread_mutex_lock(&l->lock);
    stands = l->works && mono_now - l->work.since >= least;
    if (stands)
        *w = l->work;
    pthread_mutex_unlock(&l->lock);
    return stands;
}
