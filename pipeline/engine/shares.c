/* What the process may have is divided among the streams and the API: memory between the way in and the way out, and a part of the way in
 * for inputs that read as fast as they can; descriptors between deliveries, clients and tailed files. It is divided anew whenever a stream
 * comes, changes or goes, and when the API comes. Who holds more than his new share keeps what he has, and gets nothing more until he has
 * given enough back; that what is configured gets through at all is checked before. */
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/engine/impl.h"
#include "pipeline/engine/process_limits.h"
#include "pipeline/inputs/servers.h"

/* With an API there is room for a large request. */
static void share_memory(struct engine *en, bool api)
{
    size_t whole = en->memory_limit, intake = settings_intake(whole, api), reading = intake;

    if (api)
        reading = intake > API_REQUEST_MEMORY + READ_LEAST ? intake - API_REQUEST_MEMORY : READ_LEAST;
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
    share_memory(en, en->settings->api_used && !en->once);
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
        share_memory(en, en->api != NULL);
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

/* Locks: en->shares held. */
static struct descriptor_shares share_descriptors(struct engine *en)
{
    struct descriptor_shares shares = descriptors_share(&en->needs);

    budget_resize(&en->descriptors, shares.tail);
    if (en->api)
        api_limit_connections(en->api, shares.connections);
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

/* The API's server counts as one more that needs descriptors; clients get fewer connections where there are few. */
static void share_with_api(struct engine *en, struct api *api)
{
    struct descriptor_needs needs = process_needs_of_api(&en->settings->api);
    struct descriptor_shares shares;

    share_memory(en, true);
    descriptors_add(&en->needs, &needs);
    en->api = api;
    shares = share_descriptors(en);
    if (shares.connections < needs.connections)
        log_warn("fewer connections to the API than api.connections says: the limit of open files is too low",
                 KU("connections", shares.connections), KU("limit", en->needs.limit),
                 KS("hint", "raise the limit of open files (ulimit -n, LimitNOFILE=)"));
}

/* Locks: en->shares held, but for the start. */
int engine_open_api(struct engine *en, struct err *e)
{
    struct api *api;

    if (api_open(&api, &en->settings->api, en->settings->base_dir, servers_of(&en->listeners), &en->intake, e) < 0)
        return -1;
    if (http_servers_start(servers_of(&en->listeners), e) < 0) {
        api_leave(api, servers_of(&en->listeners));
        api_close(&api);
        return -1;
    }
    if (en->api_keys)
        api_set_keys(api, en->api_keys);
    share_with_api(en, api);
    return 0;
}

void engine_set_api_keys(struct engine *en, const struct api_conf *conf)
{
    pthread_mutex_lock(&en->shares);
    en->api_keys = conf;
    if (en->api)
        api_set_keys(en->api, conf);
    pthread_mutex_unlock(&en->shares);
}

int engine_want_api(struct engine *en, const struct stream_settings *conf, struct err *e)
{
    int rc = 0;

    if (!conf->api || en->once)
        return 0;
    pthread_mutex_lock(&en->shares);
    if (!en->api) {
        rc = engine_open_api(en, e);
        if (rc == 0)
            api_start(en->api);
    }
    pthread_mutex_unlock(&en->shares);
    return rc;
}
