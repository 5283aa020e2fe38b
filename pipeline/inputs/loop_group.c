/* The order in which an input leaves the loop. First nothing more is posted. Posts run in the order in which they came, so the last one
 * runs behind all of them, and none comes behind it. In it the input does its last work and the handles begin to
 * close; their callbacks run on the loop later, and whoever stops the input waits for the last one. After that nobody on the
 * loop knows the input, and it may be freed. */
#include "pipeline/inputs/loop_group.h"

#include "pipeline/base/thread.h"

#include <assert.h>
#include <string.h>

/* First it is no longer on its way: what is told while news() runs is told again. */
static void run_news(void *arg)
{
    struct loop_group *g = arg;

    pthread_mutex_lock(&g->lock);
    g->posted = false;
    pthread_mutex_unlock(&g->lock);
    g->news(g->arg);
}

static void handle_closed(uv_handle_t *h)
{
    struct loop_group *g = h->data;

    pthread_mutex_lock(&g->lock);
    if (--g->open == 0) {
        g->step = LOOP_GROUP_LEFT;
        pthread_cond_signal(&g->closed);
    }
    pthread_mutex_unlock(&g->lock);
}

static void leave(void *arg)
{
    struct loop_group *g = arg;
    uv_handle_t *handles[LOOP_GROUP_HANDLES];
    unsigned count = g->count;

    memcpy(handles, g->handles, sizeof(handles)); /* without handles the group may be gone at once */
    g->last(g->arg);
    for (unsigned i = 0; i < count; i++)
        handles[i]->data = g;
    pthread_mutex_lock(&g->lock);
    g->open = count;
    if (count == 0) {
        g->step = LOOP_GROUP_LEFT;
        pthread_cond_signal(&g->closed);
    }
    pthread_mutex_unlock(&g->lock);
    for (unsigned i = 0; i < count; i++)
        uv_close(handles[i], handle_closed); /* calls back in a later turn */
}

void loop_group_init(struct loop_group *g, struct input_loop *loop, void (*news)(void *arg), void *arg)
{
    *g = (struct loop_group){
        .loop = loop, .news = news, .arg = arg, .post = {.fn = run_news, .arg = g}, .stop = {.fn = leave, .arg = g}};
    pthread_mutex_init(&g->lock, NULL);
    thread_cond_init(&g->closed);
}

void loop_group_release(struct loop_group *g)
{
    pthread_cond_destroy(&g->closed);
    pthread_mutex_destroy(&g->lock);
}

void loop_group_add(struct loop_group *g, uv_handle_t *h)
{
    assert(g->count < LOOP_GROUP_HANDLES);
    h->data = g->arg;
    g->handles[g->count++] = h;
}

void loop_group_tell(struct loop_group *g)
{
    pthread_mutex_lock(&g->lock);
    if (!g->posted && g->step == LOOP_GROUP_ON) {
        g->posted = true;
        loop_post(g->loop, &g->post);
    }
    pthread_mutex_unlock(&g->lock);
}

void loop_group_stop(struct loop_group *g, void (*last)(void *arg))
{
    pthread_mutex_lock(&g->lock);
    if (g->step == LOOP_GROUP_ON) {
        g->step = LOOP_GROUP_LEAVES;
        g->last = last;
        loop_post(g->loop, &g->stop);
    }
    pthread_mutex_unlock(&g->lock);
}

bool loop_group_left(struct loop_group *g, nsec until)
{
    struct timespec time = clock_timespec(until);
    bool left;
    int rc = 0;

    pthread_mutex_lock(&g->lock);
    while (g->step != LOOP_GROUP_LEFT && rc == 0)
        rc = pthread_cond_timedwait(&g->closed, &g->lock, &time);
    left = g->step == LOOP_GROUP_LEFT;
    pthread_mutex_unlock(&g->lock);
    return left;
}
