#include "pipeline/admin/actions.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct admin_queue {
    pthread_t thread;
    bool started, joined;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping; /* guarded by lock, as is what follows */
    size_t count;
    TAILQ_HEAD(, admin_call) waiting;
};

/* --- the table ------------------------------------------------------------------------------------------------------ */

/* {...} stands for at least one character, and for no slash. */
bool admin_path_fits(const char *pattern, const char *path, char **name)
{
    const char *open = strchr(pattern, '{'), *close = open ? strchr(open, '}') : NULL;
    size_t before = open ? (size_t)(open - pattern) : 0, n;

    *name = NULL;
    if (!close)
        return strcmp(pattern, path) == 0;
    if (strncmp(pattern, path, before) != 0)
        return false;
    n = strcspn(path + before, "/");
    if (n == 0 || strcmp(close + 1, path + before + n) != 0)
        return false;
    *name = mem_strndup(path + before, n);
    return true;
}

const struct admin_action *admin_action_find(const struct admin_actions *all, const char *path, char **name)
{
    *name = NULL;
    for (size_t i = 0; i < all->count; i++)
        if (admin_path_fits(all->list[i].path, path, name))
            return &all->list[i];
    return NULL;
}

unsigned admin_answer_say(struct admin_answer *a, unsigned status, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    a->as = ADMIN_ANSWER_WORDS;
    buf_clear(&a->text);
    a->status = buf_printf(&a->text, "%s\n", line) < 0 ? 500 : status;
    return a->status;
}

void admin_call_run(struct admin_call *c)
{
    c->answer.status = 200;
    c->action->run(c->action->ctx, &c->order, &c->answer);
    if (c->action->quiet)
        return;
    log_info("an action was asked for", KS("action", c->order.path), KS("client", c->order.from),
             KU("status", c->answer.status));
}

/* --- the queue ------------------------------------------------------------------------------------------------------ */

static void turn_away(struct admin_call *c)
{
    (void)admin_answer_say(&c->answer, 503, "sluice is stopping; nothing was done");
}

/* NULL: it is over. */
static struct admin_call *next(struct admin_queue *q, bool *stopping)
{
    struct admin_call *c;

    pthread_mutex_lock(&q->lock);
    while (TAILQ_EMPTY(&q->waiting) && !q->stopping)
        pthread_cond_wait(&q->changed, &q->lock);
    c = TAILQ_FIRST(&q->waiting);
    if (c) {
        TAILQ_REMOVE(&q->waiting, c, link);
        q->count--;
    }
    *stopping = q->stopping;
    pthread_mutex_unlock(&q->lock);
    return c;
}

static void *queue_main(void *arg)
{
    struct admin_queue *q = arg;
    struct admin_call *c;
    bool stopping;

    pthread_setname_np(pthread_self(), "actions");
    while ((c = next(q, &stopping))) {
        if (stopping)
            turn_away(c);
        else
            admin_call_run(c);
        c->done(c);
    }
    return NULL;
}

int admin_queue_start(struct admin_queue **out, struct err *e)
{
    struct admin_queue *q = mem_alloc(sizeof(*q));

    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    TAILQ_INIT(&q->waiting);
    if (thread_start_quiet(&q->thread, queue_main, q, 0, "the thread for what is asked for by POST", e) < 0) {
        admin_queue_free(&q);
        return -1;
    }
    q->started = true;
    *out = q;
    return 0;
}

bool admin_queue_ask(struct admin_queue *q, struct admin_call *c)
{
    bool taken;

    pthread_mutex_lock(&q->lock);
    taken = !q->stopping && q->count < ADMIN_ACTIONS_WAITING;
    if (taken) {
        TAILQ_INSERT_TAIL(&q->waiting, c, link);
        q->count++;
        pthread_cond_signal(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
    return taken;
}

void admin_queue_stop(struct admin_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->stopping = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
    if (!q->joined)
        pthread_join(q->thread, NULL);
    q->joined = true;
}

void admin_queue_free(struct admin_queue **qp)
{
    struct admin_queue *q = *qp;

    if (!q)
        return;
    if (q->started)
        admin_queue_stop(q);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    MEM_CLEAR(*qp);
}
