/* A place that nobody uses is taken first. When there is none, the place with the fewest users, and among those that a disk keeps only when
 * all are kept. A loop that was given back by its last user is stopped outside the lock: its thread must run to its end. */
#include "pipeline/inputs/loop_set.h"

static struct loop_place *free_place(struct loop_set *s)
{
    for (size_t i = 0; i < INPUT_LOOPS_MAX; i++)
        if (s->places[i].users == 0)
            return &s->places[i];
    return NULL;
}

static struct loop_place *least_used(struct loop_set *s, nsec mono_now)
{
    struct loop_place *best = NULL;
    bool best_kept = false;

    for (size_t i = 0; i < INPUT_LOOPS_MAX; i++) {
        struct loop_place *p = &s->places[i];
        struct loop_work at;
        bool kept = loop_stands(p->loop, mono_now, INPUT_STANDS_LONG, &at);

        if (best && (kept != best_kept ? kept : p->users >= best->users))
            continue;
        best = p;
        best_kept = kept;
    }
    return best;
}

void loop_set_init(struct loop_set *s)
{
    *s = (struct loop_set){.places = {{NULL, 0}}};
    pthread_mutex_init(&s->lock, NULL);
}

void loop_set_release(struct loop_set *s)
{
    pthread_mutex_destroy(&s->lock);
}

int loop_set_take(struct loop_set *s, struct input_loop **l, nsec mono_now, struct err *e)
{
    struct loop_place *p;
    int rc = 0;

    pthread_mutex_lock(&s->lock);
    p = free_place(s);
    if (!p)
        p = least_used(s, mono_now);
    else
        rc = loop_start(&p->loop, e);
    if (rc == 0) {
        p->users++;
        *l = p->loop;
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void loop_set_give(struct loop_set *s, struct input_loop **l)
{
    struct input_loop *unused = NULL;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; *l && i < INPUT_LOOPS_MAX; i++) {
        struct loop_place *p = &s->places[i];

        if (p->users == 0 || p->loop != *l)
            continue;
        if (--p->users == 0) {
            unused = p->loop;
            p->loop = NULL;
        }
        break;
    }
    pthread_mutex_unlock(&s->lock);
    loop_stop(&unused);
    *l = NULL;
}
