/* The order in which streams change is that in which nothing has to be taken back that cannot be: what may fail comes first, and what cannot
 * be undone, the end of streams that are gone, last. Only where a stream cannot begin before another has let go of something (an
 * address, a queue that one reads at a time) it is tried again behind that: those that are gone end first, and of all that could not change the
 * inputs end before any of the new ones begins, so that two may exchange what they have. Should one fail then, those that are gone are opened
 * again with what their spools hold.
 *
 * Each step is the engine's own (engine.h), and each knows how to end when the program stops in the middle of it. A reload that was
 * stopped is not taken back: the next start reads the file. */
#include "pipeline/engine/reload_steps.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/engine/pauses.h"

#include <string.h>

/* --- names --- */

static size_t find_name(const struct reload_names *all, const char *name)
{
    size_t i = 0;

    while (i < all->n && strcmp(all->v[i], name) != 0)
        i++;
    return i;
}

static bool has_name(const struct reload_names *all, const char *name)
{
    return find_name(all, name) < all->n;
}

static void add_name(struct reload_names *all, const char *name)
{
    if (has_name(all, name))
        return;
    all->v = mem_grow(all->v, all->n + 1, sizeof(*all->v));
    all->v[all->n++] = mem_strdup(name);
}

static void drop_name(struct reload_names *all, const char *name)
{
    size_t i = find_name(all, name);

    if (i == all->n)
        return;
    mem_free(all->v[i]);
    all->v[i] = all->v[--all->n];
}

static void release_names(struct reload_names *all)
{
    while (all->n > 0)
        mem_free(all->v[--all->n]);
    MEM_CLEAR(all->v);
}

/* --- one step ------------------------------------------------------------------------------------------------------
 */

struct reload_step {
    struct settings_diff_stream *d;
    const struct stream_settings *delivers, *reads; /* before */
    bool delivery, inputs;                          /* begun anew */
    bool scripts;                                   /* exchanged instead */
    bool opened;                                    /* it was not there before */
    bool late;                                      /* it had to wait for what others had, */
    bool ended;                                     /* and its old inputs have ended for it */
    bool done, drains;                              /* drains: of one that is removed */
    struct engine_pauses paused;                    /* of one that drains: before that */
};

static bool is_there(struct reload_steps *all, const char *name)
{
    const struct stream_settings *delivers, *reads;

    return engine_settings_of(all->engine, name, &delivers, &reads) == 0;
}

/* What a reload before could not remove, since something of it did not end. */
static int leave_first(struct reload_steps *all, const char *name, struct err *e)
{
    if (!has_name(&all->leaving, name))
        return 0;
    if (is_there(all, name) && engine_remove_stream(all->engine, name, RELOAD_LEAVE_LEAST, e) < 0)
        return -1;
    drop_name(&all->leaving, name);
    return 0;
}

static int open_stream(struct reload_steps *all, struct reload_step *s, struct err *e)
{
    if (leave_first(all, s->d->name, e) < 0 || engine_open_stream(all->engine, s->d->now, e) < 0)
        return -1;
    s->opened = true;
    return 0;
}

static bool differ(const struct settings_diff_stream *d, size_t i)
{
    return memcmp(d->before->transforms[i].content, d->now->transforms[i].content,
                  sizeof(d->now->transforms[i].content)) != 0;
}

/* Between what runs and what was read, where they differ; one that cannot leaves all as they were. Again: back. */
static bool exchange_scripts(const struct stream_settings *runs, const struct settings_diff_stream *d)
{
    const struct transform_settings *a = runs->transforms, *b = d->now->transforms;
    size_t i, n = runs->transform_count;

    for (i = 0; i < n; i++)
        if (differ(d, i) &&
            (!a[i].loaded || !b[i].loaded || !a[i].ops->exchange || !a[i].ops->exchange(a[i].loaded, b[i].loaded)))
            break;
    if (i == n)
        return true;
    while (i-- > 0)
        if (differ(d, i))
            (void)a[i].ops->exchange(a[i].loaded, b[i].loaded);
    return false;
}

/* A script alone takes its place in what runs: batches that an error in the old one holds up go on with it. */
static int change_delivery(struct reload_steps *all, struct reload_step *s, struct err *e)
{
    s->scripts = s->d->scripts && exchange_scripts(s->delivers, s->d);
    if (!s->scripts && engine_replace_sinks(all->engine, s->d->now, e) < 0)
        return -1;
    s->delivery = true;
    return 0;
}

/* A reload that failed may have left nothing of it, or one that takes nothing in any more: that one begins anew. */
static int change_stream(struct reload_steps *all, struct reload_step *s, struct err *e)
{
    struct engine *en = all->engine;

    if (has_name(&all->leaving, s->d->name) || !is_there(all, s->d->name) ||
        (!s->delivers && engine_settings_of(en, s->d->name, &s->delivers, &s->reads) < 0))
        return open_stream(all, s, e);
    if (s->d->delivery && !s->delivery && change_delivery(all, s, e) < 0) {
        if (!engine_is_whole(en, s->d->name))
            add_name(&all->unsure, s->d->name);
        return -1;
    }
    if (s->d->inputs && !s->inputs) {
        if (engine_replace_inputs(en, s->d->now, e) < 0) {
            add_name(&all->unsure, s->d->name); /* it may read nothing now */
            return -1;
        }
        s->inputs = true;
    }
    return 0;
}

static int take(struct reload_steps *all, struct reload_step *s, struct err *e)
{
    int rc = 0;

    if (s->d->change == SETTINGS_ADDED)
        rc = open_stream(all, s, e);
    else if (s->d->change == SETTINGS_CHANGED)
        rc = change_stream(all, s, e);
    s->done = rc == 0;
    return rc;
}

/* --- back ----------------------------------------------------------------------------------------------------------
 */

/* When the program stops, nobody takes anything back any more. */
static void not_back(struct reload_steps *all, const struct reload_step *s, const struct err *e, struct buf *out)
{
    all->stopped = all->stopped || e->code == ERR_CANCELLED;
    if (all->stopped)
        return;
    add_name(&all->unsure, s->d->name);
    log_error("reload: a stream is not what it was before", KS("stream", s->d->name), KE("cause", e),
              KS("hint", "reload again, or start again"));
    (void)!buf_printf(out, "stream %s: is not what it was before: %s\n", s->d->name, e->msg);
}

static void take_back(struct reload_steps *all, struct reload_step *s, struct buf *out)
{
    struct engine *en = all->engine;
    struct err e;

    if ((s->inputs || s->ended) && engine_replace_inputs(en, s->reads, &e) < 0)
        not_back(all, s, &e, out);
    if (s->delivery && !(s->scripts && exchange_scripts(s->delivers, s->d)) &&
        engine_replace_sinks(en, s->delivers, &e) < 0)
        not_back(all, s, &e, out);
    if (s->opened && engine_remove_stream(en, s->d->name, RELOAD_LEAVE_TIME, &e) < 0) {
        add_name(&all->leaving, s->d->name);
        not_back(all, s, &e, out);
    }
}

/* One that was about to go takes nothing in any more, so it ends, and begins again with what its spool has. Where its inputs were changed
 * since its deliveries were, it begins with what the file said of both. */
static int begin_again(struct reload_steps *all, const struct reload_step *s, struct err *e)
{
    const struct stream_settings *by = s->reads == s->delivers ? s->delivers : s->d->before;
    struct engine *en = all->engine;
    uint64_t left;

    if (s->delivers->memory) /* it cannot end as long as it has records */
        (void)!engine_drain_stream(en, s->d->name, RELOAD_LEAVE_TIME, &left, e);
    if (engine_remove_stream(en, s->d->name, RELOAD_LEAVE_TIME, e) == 0)
        return engine_open_again(en, by, &s->paused, e);
    add_name(&all->leaving, s->d->name);
    return -1;
}

/* The last one first, so that each finds what it had: what waited for others, then those that had to go for it, then the rest. */
static void take_all_back(struct reload_steps *all, struct buf *out)
{
    struct err e;

    for (size_t i = all->count; i > 0; i--)
        if (all->list[i - 1].late && all->list[i - 1].inputs) /* one that cannot says so below */
            (void)!engine_end_inputs(all->engine, all->list[i - 1].d->name, &e);
    for (size_t i = all->count; i > 0; i--)
        if (all->list[i - 1].late)
            take_back(all, &all->list[i - 1], out);
    for (size_t i = all->count; i > 0; i--)
        if (all->list[i - 1].drains && begin_again(all, &all->list[i - 1], &e) < 0)
            not_back(all, &all->list[i - 1], &e, out);
    for (size_t i = all->count; i > 0; i--)
        if (!all->list[i - 1].late)
            take_back(all, &all->list[i - 1], out);
}

/* --- all of them ---------------------------------------------------------------------------------------------------
 */

static void make(struct reload_steps *all, const struct settings_diff *d)
{
    mem_free(all->list);
    all->list = mem_array(d->count, sizeof(struct reload_step));
    all->count = 0;
    all->frees = false;
    for (size_t i = 0; i < d->count; i++) {
        struct settings_diff_stream *s = &d->streams[i];

        if (s->change == SETTINGS_SAME)
            continue;
        all->list[all->count++] = (struct reload_step){.d = s};
        all->frees |= s->change == SETTINGS_REMOVED || s->inputs;
    }
}

/* All that come or change. -1: one could not; `again`: unless it can when others have ended. */
static int take_all(struct reload_steps *all, bool again, struct err *e)
{
    for (size_t i = 0; i < all->count; i++) {
        struct reload_step *s = &all->list[i];

        if (s->done || s->d->change == SETTINGS_REMOVED)
            continue;
        s->late = !again;
        if (take(all, s, e) == 0)
            continue;
        if (e->code == ERR_CANCELLED || !again)
            return -1;
    }
    return 0;
}

static nsec time_left(nsec end, nsec least)
{
    nsec left = end - clock_mono();

    return left > least ? left : least;
}

/* Their inputs are asked to end, and have until `end` for it. */
static int begin_to_drain(struct reload_steps *all, nsec end, struct err *e)
{
    for (size_t i = 0; i < all->count; i++) {
        struct reload_step *s = &all->list[i];

        if (s->d->change != SETTINGS_REMOVED ||
            engine_settings_of(all->engine, s->d->name, &s->delivers, &s->reads) < 0)
            continue;
        if (!s->drains)
            engine_note_pauses(all->engine, s->d->name, &s->paused);
        s->drains = true;
        if (engine_begin_drain(all->engine, s->d->name, time_left(end, 0), e) < 0 && e->code == ERR_CANCELLED)
            return -1;
    }
    return 0;
}

/* Their deliveries go on side by side, and are waited for together. */
static void await_drained(struct reload_steps *all, nsec grace)
{
    nsec end = clock_mono() + grace;
    uint64_t left;
    struct err e;

    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].drains)
            (void)!engine_drain_stream(all->engine, all->list[i].d->name, time_left(end, 0), &left, &e);
}

static void remove_all(struct reload_steps *all, struct buf *out)
{
    nsec end = clock_mono() + RELOAD_LEAVE_TIME;
    struct err e;

    for (size_t i = 0; i < all->count; i++) {
        const char *name = all->list[i].d->name;

        if (!all->list[i].drains)
            continue;
        if (engine_remove_stream(all->engine, name, time_left(end, RELOAD_LEAVE_LEAST), &e) == 0) {
            drop_name(&all->leaving, name);
            continue;
        }
        if (e.code == ERR_CANCELLED) /* the program stops: it goes with it */
            return;
        add_name(&all->leaving, name);
        log_warn("reload: a stream takes nothing in any more, but cannot be removed yet", KS("stream", name),
                 KE("cause", &e), KS("hint", "the next reload tries it again"));
        (void)!buf_printf(out, "stream %s: takes nothing in any more, but cannot be removed yet: %s\n", name, e.msg);
    }
}

/* Those of reloads before. */
static void remove_leaving(struct reload_steps *all, const struct settings *now)
{
    struct err e;

    for (size_t i = all->leaving.n; i > 0; i--)
        if (!settings_stream(now, all->leaving.v[i - 1]))
            (void)!leave_first(all, all->leaving.v[i - 1], &e);
}

/* What they have is somebody else's, perhaps, and the other way round. */
static int end_late_inputs(struct reload_steps *all, struct err *e)
{
    for (size_t i = 0; i < all->count; i++) {
        struct reload_step *s = &all->list[i];

        if (s->done || !s->d->inputs || s->inputs || !s->reads || has_name(&all->leaving, s->d->name) ||
            !is_there(all, s->d->name))
            continue;
        if (engine_end_inputs(all->engine, s->d->name, e) < 0) {
            add_name(&all->unsure, s->d->name);
            return -1;
        }
        s->ended = true;
    }
    return 0;
}

static bool all_done(const struct reload_steps *all)
{
    bool done = true;

    for (size_t i = 0; i < all->count; i++)
        done = done && (all->list[i].done || all->list[i].d->change == SETTINGS_REMOVED);
    return done;
}

/* Those that are gone are asked to end together; they are waited for only by who needs what they had. */
static int change_all(struct reload_steps *all, struct err *e)
{
    if (take_all(all, all->frees, e) < 0 || begin_to_drain(all, 0, e) < 0)
        return -1;
    if (all_done(all))
        return 0;
    if (begin_to_drain(all, clock_mono() + ENGINE_INPUTS_LEAVE_TIME, e) < 0 || end_late_inputs(all, e) < 0)
        return -1;
    return take_all(all, false, e);
}

enum reload_result reload_steps_take(struct reload_steps *all, const struct settings_diff *d, struct buf *out,
                                     struct err *e)
{
    make(all, d);
    if (change_all(all, e) == 0) {
        release_names(&all->unsure);
        return RELOAD_DONE;
    }
    all->stopped = e->code == ERR_CANCELLED;
    if (!all->stopped)
        take_all_back(all, out);
    return all->stopped ? RELOAD_STOPPED : RELOAD_FAILED;
}

void reload_steps_end(struct reload_steps *all, const struct settings *now, struct buf *out)
{
    await_drained(all, now->shutdown_grace);
    remove_all(all, out);
    remove_leaving(all, now);
}

void reload_steps_init(struct reload_steps *all, struct engine *engine)
{
    *all = (struct reload_steps){.engine = engine};
}

void reload_steps_release(struct reload_steps *all)
{
    release_names(&all->leaving);
    release_names(&all->unsure);
    MEM_CLEAR(all->list);
}

bool reload_steps_unsure(const struct reload_steps *all, const char *name)
{
    return has_name(&all->unsure, name);
}
