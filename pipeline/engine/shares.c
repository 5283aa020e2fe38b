/* What the process may have is divided among the streams and the listeners: memory between the way in and the way out, and a part of the way in
 * for inputs that read as fast as they can; descriptors between deliveries, clients and tailed files. It is divided anew whenever a stream
 * comes, changes or goes, and when a listener with a section comes. Who holds more than his new share keeps what he has, and gets nothing more until he has
 * given enough back; that what is configured gets through at all is checked before. */
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/engine/impl.h"
#include "pipeline/engine/process_limits.h"

/* There is room for a large request to a listener. */
static void share_memory(struct engine *en)
{
    size_t whole = en->memory_limit, intake = settings_intake(whole, en->request), reading = intake;

    if (en->request > 0)
        reading = intake > en->request + READ_LEAST ? intake - en->request : READ_LEAST;
    budget_resize(&en->intake, intake);
    budget_resize(&en->outgo, whole - intake);
    budget_resize(&en->reading, reading);
}

static uint64_t ahead_of(const struct stream_settings *s)
{
    uint64_t wanted = 0;

    for (size_t i = 0; i < s->input_count; i++)
        if (s->inputs[i].ops->read_ahead)
            wanted += s->inputs[i].ops->read_ahead(s->inputs[i].conf);
    return wanted;
}

/* One that runs keeps what it has begun with. So that a stream which is changed does not get what others have, nobody gets more than at the start. */
struct input_ahead engine_share_ahead(struct engine *en, const struct engine_stream *es,
                                      const struct stream_settings *reads)
{
    struct input_ahead a = {.wanted = ahead_of(reads)};
    const struct engine_stream *other;

    pthread_mutex_lock(&en->shares);
    a.most = en->memory_limit / READ_AHEAD_SHARE;
    pthread_mutex_unlock(&en->shares);
    pthread_mutex_lock(&en->lock);
    TAILQ_FOREACH(other, &en->streams, link)
        if (other != es)
            a.wanted += ahead_of(other->reads);
    pthread_mutex_unlock(&en->lock);
    if (a.wanted < en->ahead_wanted)
        a.wanted = en->ahead_wanted;
    return a;
}

void engine_share_begin(struct engine *en)
{
    const struct listener_ops *l;

    for (size_t i = 0; i < en->settings->stream_count; i++)
        en->ahead_wanted += ahead_of(&en->settings->streams[i]);
    en->needs = process_descriptors();
    budget_init(&en->descriptors, 0); /* nobody reads yet */
    en->memory_limit = en->settings->memory_limit;
    en->grace = en->settings->shutdown_grace;
    budget_init(&en->memory, en->memory_limit);
    budget_init(&en->windows, en->memory_limit / UNZSTD_WINDOWS_SHARE);
    budget_init_part(&en->intake, &en->memory, 0);
    budget_init_part(&en->outgo, &en->memory, 0);
    budget_init_part(&en->reading, &en->intake, 0);
    en->sections = en->settings;
    en->request = en->once ? 0 : settings_request(en->settings, &l);
    share_memory(en);
    en->warm = warm_store_new(&en->memory, en->memory_limit / WARM_SHARE);
    budget_reclaims(&en->intake, warm_give_back, en->warm);
    budget_reclaims(&en->outgo, warm_give_back, en->warm);
}

void engine_set_memory(struct engine *en, size_t limit)
{
    pthread_mutex_lock(&en->shares);
    if (en->memory_limit != limit) {
        en->memory_limit = limit;
        budget_resize(&en->memory, limit);
        budget_resize(&en->windows, limit / UNZSTD_WINDOWS_SHARE);
        warm_store_resize(en->warm, limit / WARM_SHARE);
        share_memory(en);
    }
    pthread_mutex_unlock(&en->shares);
}

void engine_set_grace(struct engine *en, nsec grace)
{
    pthread_mutex_lock(&en->shares);
    en->grace = grace;
    pthread_mutex_unlock(&en->shares);
}

nsec engine_grace(struct engine *en)
{
    nsec grace;

    pthread_mutex_lock(&en->shares);
    grace = en->grace;
    pthread_mutex_unlock(&en->shares);
    return grace;
}

/* Of the connections that there can be. */
static size_t share_of(const struct engine *en, const struct listener_ops *l, size_t connections)
{
    size_t own = process_needs_of_listener(en->settings, l).connections, all = en->needs.connections;
    size_t part = all > own ? connections * own / all : connections;

    return part > 0 ? part : 1;
}

/* Locks: en->shares held. */
static struct descriptor_shares share_descriptors(struct engine *en)
{
    struct descriptor_shares shares = descriptors_share(&en->needs);
    struct listeners_one one;

    budget_resize(&en->descriptors, shares.tail);
    for (size_t i = 0; listeners_at(&en->listeners, i, &one); i++)
        if (one.ops->section)
            one.ops->section->limit(one.l, share_of(en, one.ops, shares.connections));
    return shares;
}

/* The stream will be as `conf` says, and read what `reads` does (NULL: it is gone); the others have what is left. -1: they would have too
 * few, and nothing has changed. */
int engine_take_descriptors(struct engine *en, struct engine_stream *es, const struct stream_settings *conf,
                            const struct stream_settings *reads, struct err *e)
{
    struct descriptor_needs own = {0}, all;
    size_t least;
    int rc = 0;

    if (conf)
        own = process_needs_of(conf, reads);
    pthread_mutex_lock(&en->shares);
    all = en->needs;
    descriptors_take_off(&all, &es->needs);
    descriptors_add(&all, &own);
    least = descriptors_least(&all);
    if (all.limit < least && least > descriptors_least(&en->needs)) {
        rc = err_set(e, ERR_LIMIT,
                     "with stream `%s` %zu open files are needed, and the limit is %zu; raise it (`ulimit -n`, in a "
                     "systemd unit LimitNOFILE=, in a container --ulimit nofile=) and start again",
                     es->conf->name, least, all.limit);
    } else {
        en->needs = all;
        es->needs = own;
        (void)share_descriptors(en);
    }
    pthread_mutex_unlock(&en->shares);
    return rc;
}

/* Less than before is always there. */
void engine_give_descriptors(struct engine *en, struct engine_stream *es, const struct stream_settings *conf,
                             const struct stream_settings *reads)
{
    struct err e;

    (void)!engine_take_descriptors(en, es, conf, reads, &e);
}

/* It counts as one more that needs descriptors; clients get fewer connections where there are few. */
static void share_with(struct engine *en, const struct listener_ops *l)
{
    const struct listener_needs own = l->section->needs(settings_section(en->settings, l));
    struct descriptor_needs needs = process_needs_of_listener(en->settings, l);
    size_t connections;

    if (own.request > en->request)
        en->request = own.request;
    share_memory(en);
    descriptors_add(&en->needs, &needs);
    connections = share_of(en, l, share_descriptors(en).connections);
    if (connections < needs.connections)
        log_warn("fewer connections to a listener than its `connections` says: the limit of open files is too low",
                 KS("listener", l->name), KU("connections", connections), KU("limit", en->needs.limit),
                 KS("hint", "raise the limit of open files (ulimit -n, LimitNOFILE=)"));
}

/* It listens, and says that it is not ready. Locks: en->shares held, but for the start. */
static int open_listener(struct engine *en, const struct listener_ops *l, struct err *e)
{
    if (listeners_open(&en->listeners, l, settings_section(en->settings, l), e) < 0)
        return -1;
    l->section->change(listeners_find(&en->listeners, l), settings_section(en->sections, l));
    share_with(en, l);
    return 0;
}

int engine_want_listeners(struct engine *en, const struct stream_settings *conf, struct err *e)
{
    int rc = 0;

    pthread_mutex_lock(&en->shares);
    for (size_t i = 0; rc == 0 && !en->once && i < settings_standing(conf); i++) {
        const struct listener_ops *l = conf->inputs[i].ops->section;

        if (!listeners_find(&en->listeners, l))
            rc = open_listener(en, l, e);
    }
    pthread_mutex_unlock(&en->shares);
    return rc;
}

void engine_set_sections(struct engine *en, const struct settings *s, bool at_once)
{
    struct listeners_one one;

    pthread_mutex_lock(&en->shares);
    en->sections = s;
    for (size_t i = 0; at_once && listeners_at(&en->listeners, i, &one); i++)
        if (one.ops->section)
            one.ops->section->change(one.l, settings_section(s, one.ops));
    pthread_mutex_unlock(&en->shares);
}
