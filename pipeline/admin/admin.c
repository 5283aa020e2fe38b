/* What is asked for by POST waits in one queue, whichever address it came in by; the reload that replaces the address is one of these, and its own
 * client waits for the answer at the old one. So that one is not closed here: it leaves, on a thread of its own. */
#include "pipeline/admin/admin.h"

#include "pipeline/admin/front.h"
#include "pipeline/admin/whereabouts.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct admin {
    struct admin_front_env env;
    struct admin_front *front, *next; /* NULL: none; next: prepared */
    bool prepared;
    char *data_dir; /* of the last that was prepared; it does not change */
    struct admin_front *leaving[ADMIN_LEAVING_MAX];
    size_t leaving_count;
    pthread_mutex_t lock;
    char address[HTTP_ADDRESS_TEXT]; /* guarded by lock */
};

static const char NOBODY[] = "none";

static void forget_gone(struct admin *a)
{
    for (size_t i = a->leaving_count; i > 0; i--) {
        if (!admin_front_has_gone(a->leaving[i - 1]))
            continue;
        admin_front_close(&a->leaving[i - 1]);
        a->leaving[i - 1] = a->leaving[--a->leaving_count];
    }
}

static int write_whereabouts(const struct admin *a, const struct admin_conf *conf, struct err *e)
{
    bool tls = conf->tls && server_tls_set(conf->tls);
    struct whereabouts w = {.listen = (char *)(uintptr_t)admin_front_address(a->next)};
    int rc;

    if (!a->data_dir)
        return 0;
    if (tls)
        w.cert_file = server_tls_path(conf->tls->cert_file, conf->base_dir);
    if (tls && conf->tls->client_ca_file)
        w.key_file = server_tls_path(conf->tls->key_file, conf->base_dir);
    rc = whereabouts_write(a->data_dir, &w, e);
    mem_free(w.cert_file);
    mem_free(w.key_file);
    return rc;
}

/* At the start the pages are worth more than the file. */
static int open_next(struct admin *a, const struct admin_conf *conf, struct err *e)
{
    if (!a->env.queue && admin_queue_start(&a->env.queue, e) < 0)
        return -1;
    if (admin_front_open(&a->next, conf, &a->env, a->front, e) < 0)
        return -1;
    if (write_whereabouts(a, conf, e) == 0)
        return 0;
    if (a->front) {
        admin_front_close(&a->next);
        return -1;
    }
    whereabouts_remove(a->data_dir); /* what one that was killed left leads to whoever has that port by now */
    log_warn("where the admin server is reached cannot be kept in data_dir: commands ask where the configuration says",
             KE("cause", e),
             KS("hint", "see to that folder; `sluice reload` may need --url once admin.listen is another"));
    return 0;
}

int admin_prepare(struct admin *a, const struct admin_conf *conf, struct err *e)
{
    forget_gone(a);
    if (a->leaving_count == ADMIN_LEAVING_MAX)
        return err_set(
            e, ERR_LIMIT,
            "the admin server still answers what was asked at its addresses of before; reload again in a minute");
    if (conf->data_dir && !a->data_dir)
        a->data_dir = mem_strdup(conf->data_dir);
    if (conf->listen && open_next(a, conf, e) < 0)
        return -1;
    a->prepared = true;
    return 0;
}

/* Who asks for it is told where it is now: the file first. */
static void place_whereabouts(struct admin *a)
{
    struct err e;

    if (!a->data_dir)
        return;
    if (!a->front)
        whereabouts_remove(a->data_dir);
    else if (whereabouts_place(a->data_dir, &e) < 0)
        log_debug("the file admin.address stays what it was", KE("cause", &e));
}

static void set_address(struct admin *a)
{
    char before[HTTP_ADDRESS_TEXT];

    pthread_mutex_lock(&a->lock);
    memcpy(before, a->address, sizeof(before));
    snprintf(a->address, sizeof(a->address), "%s", a->front ? admin_front_address(a->front) : NOBODY);
    pthread_mutex_unlock(&a->lock);
    if (before[0] && strcmp(before, a->address) != 0)
        log_info("the admin server listens on another address", KS("address", a->address), KS("before", before));
}

void admin_take(struct admin *a)
{
    struct admin_front *old = a->front;

    if (!a->prepared)
        return;
    a->prepared = false;
    a->front = a->next;
    a->next = NULL;
    place_whereabouts(a);
    set_address(a);
    if (a->front)
        admin_front_go(a->front);
    if (!old)
        return;
    admin_front_leave(old);
    a->leaving[a->leaving_count++] = old;
}

void admin_drop(struct admin *a)
{
    a->prepared = false;
    if (!a->next)
        return;
    if (a->data_dir)
        whereabouts_drop(a->data_dir);
    admin_front_close(&a->next);
}

struct admin *admin_new(struct engine *engine, struct admin_actions actions)
{
    struct admin *a = mem_alloc(sizeof(*a));

    a->env = (struct admin_front_env){.engine = engine, .actions = actions};
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

void admin_stop(struct admin **ap)
{
    struct admin *a = *ap;

    if (!a)
        return;
    if (a->env.queue)
        admin_queue_stop(a->env.queue); /* no connection is suspended behind it, or will be */
    admin_drop(a);
    while (a->leaving_count > 0)
        admin_front_close(&a->leaving[--a->leaving_count]);
    if (a->front && a->data_dir)
        whereabouts_remove(a->data_dir);
    admin_front_close(&a->front);
    admin_queue_free(&a->env.queue);
    mem_free(a->data_dir);
    pthread_mutex_destroy(&a->lock);
    MEM_CLEAR(*ap);
}

void admin_address(struct admin *a, char out[HTTP_ADDRESS_TEXT])
{
    pthread_mutex_lock(&a->lock);
    memcpy(out, a->address, HTTP_ADDRESS_TEXT);
    pthread_mutex_unlock(&a->lock);
}
