#include "pipeline/inputs/listener.h"

#include <assert.h>

void listeners_init(struct listeners *all, const struct listener_env *env)
{
    *all = (struct listeners){.env = *env};
    pthread_mutex_init(&all->lock, NULL);
}

/* Locks: held. */
static struct listener *find(const struct listeners *all, const struct listener_ops *ops)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->open[i].ops == ops)
            return all->open[i].l;
    return NULL;
}

/* Locks: held. */
static void add(struct listeners *all, const struct listener_ops *ops, struct listener *l)
{
    assert(all->count < LISTENERS_MAX);
    all->open[all->count++] = (struct listeners_one){ops, l};
}

/* Not under the lock: it may ask for another one. */
int listeners_open(struct listeners *all, const struct listener_ops *ops, const void *conf, struct err *e)
{
    struct listener *l;

    pthread_mutex_lock(&all->lock);
    l = find(all, ops);
    pthread_mutex_unlock(&all->lock);
    if (l)
        return 0;
    if (ops->open(&l, conf, all, e) < 0)
        return -1;
    pthread_mutex_lock(&all->lock);
    add(all, ops, l);
    pthread_mutex_unlock(&all->lock);
    return 0;
}

/* What has no section asks for nothing, so it cannot fail. */
struct listener *listeners_find(struct listeners *all, const struct listener_ops *ops)
{
    struct listener *l;
    struct err e;

    pthread_mutex_lock(&all->lock);
    l = find(all, ops);
    if (!l && !ops->section) {
        int rc = ops->open(&l, NULL, all, &e);

        assert(rc == 0);
        add(all, ops, l);
    }
    pthread_mutex_unlock(&all->lock);
    return l;
}

bool listeners_at(struct listeners *all, size_t index, struct listeners_one *out)
{
    bool there;

    pthread_mutex_lock(&all->lock);
    there = index < all->count;
    if (there)
        *out = all->open[index];
    pthread_mutex_unlock(&all->lock);
    return there;
}

void listeners_start(struct listeners *all)
{
    struct listeners_one one;

    for (size_t i = 0; listeners_at(all, i, &one); i++)
        if (one.ops->start)
            one.ops->start(one.l);
}

void listeners_stop(struct listeners *all)
{
    struct listeners_one one;

    for (size_t i = all->count; i > 0; i--)
        if (listeners_at(all, i - 1, &one) && one.ops->stop)
            one.ops->stop(one.l);
}

void listeners_end(struct listeners *all)
{
    struct listeners_one one;

    for (size_t i = all->count; i > 0; i--)
        if (listeners_at(all, i - 1, &one) && one.ops->end)
            one.ops->end(one.l);
}

bool listeners_let_go(struct listeners *all)
{
    struct listeners_one one;
    bool any = false;

    for (size_t i = 0; listeners_at(all, i, &one); i++)
        if (one.ops->let_go)
            any |= one.ops->let_go(one.l);
    return any;
}

void listeners_close(struct listeners *all)
{
    while (all->count > 0) {
        struct listeners_one one = all->open[all->count - 1];

        pthread_mutex_lock(&all->lock); /* nobody finds it any more */
        all->count--;
        pthread_mutex_unlock(&all->lock);
        one.ops->close(&one.l);
    }
}

void listeners_release(struct listeners *all)
{
    listeners_close(all);
    pthread_mutex_destroy(&all->lock);
}
