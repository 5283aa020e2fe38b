/* The order in which an input leaves the loop. First nothing more is posted. Posts run in the order in which they came, so the call that
 * follows runs behind the last of them, and none comes behind it. In it the input does its last work and the handles begin to
 * close; their callbacks run on the loop later, and the main thread waits for the last one. After that nobody on the loop
 * knows the input, and it may be freed. */
#include "pipeline/inputs/loop_group.h"

#include <assert.h>

/* First it is no longer on its way: what is told while news() runs is told again. */
static void run_news(void *arg)
{
    struct loop_group *g = arg;

    pthread_mutex_lock(&g->lock);
    g->posted = false;
    pthread_mutex_unlock(&g->lock);
    g->news(g->arg);
}

void loop_group_init(struct loop_group *g, struct input_loop *loop, void (*news)(void *arg), void *arg)
{
    *g = (struct loop_group){.loop = loop, .news = news, .arg = arg, .post = {.fn = run_news, .arg = g}};
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->closed, NULL);
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
    if (!g->posted && !g->stopping) {
        g->posted = true;
        loop_post(g->loop, &g->post);
    }
    pthread_mutex_unlock(&g->lock);
}

static void handle_closed(uv_handle_t *h)
{
    struct loop_group *g = h->data;

    pthread_mutex_lock(&g->lock);
    if (--g->open == 0)
        pthread_cond_signal(&g->closed);
    pthread_mutex_unlock(&g->lock);
}

struct stopping {
    struct loop_group *g;
    void (*last)(void *arg);
};

static void stop_on_loop(void *arg)
{
    const struct stopping *s = arg;
    struct loop_group *g = s->g;

    s->last(g->arg);
    pthread_mutex_lock(&g->lock);
    g->open = g->count;
    pthread_mutex_unlock(&g->lock);
    for (unsigned i = 0; i < g->count; i++) {
        g->handles[i]->data = g;
        uv_close(g->handles[i], handle_closed);
    }
    g->count = 0;
}

void loop_group_stop(struct loop_group *g, void (*last)(void *arg))
{
    struct stopping s = {g, last};

    pthread_mutex_lock(&g->lock);
    g->stopping = true;
    pthread_mutex_unlock(&g->lock);
    loop_call(g->loop, stop_on_loop, &s);
    pthread_mutex_lock(&g->lock);
    while (g->open > 0)
        pthread_cond_wait(&g->closed, &g->lock);
    pthread_mutex_unlock(&g->lock);
}
