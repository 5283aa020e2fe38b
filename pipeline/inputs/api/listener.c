/* The API as a listener: it has a route on one of the HTTP servers, and the section `api`. */
#include "pipeline/inputs/api/listener.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/api/server.h"
#include "pipeline/inputs/servers.h"

struct listener {
    struct api *api;
};

/* Its server runs from here on, and says that it is not ready. */
static int listener_open(struct listener **out, const void *conf, struct listeners *all, struct err *e)
{
    struct http_servers *servers = servers_of(all);
    struct api *api;

    if (api_open(&api, conf, all->env.base_dir, servers, all->env.budget, e) < 0)
        return -1;
    if (http_servers_start(servers, e) < 0) {
        api_leave(api, servers);
        api_close(&api);
        return -1;
    }
    *out = mem_alloc(sizeof(**out));
    (*out)->api = api;
    return 0;
}

static void listener_start(struct listener *l)
{
    api_start(l->api);
}

static void listener_stop(struct listener *l)
{
    api_stop(l->api);
}

static void listener_end(struct listener *l)
{
    api_end(l->api);
}

static void listener_close(struct listener **l)
{
    api_close(&(*l)->api);
    MEM_CLEAR(*l);
}

struct api *api_of(struct listeners *all)
{
    struct listener *l = listeners_find(all, &api_listener_ops);

    return l ? l->api : NULL;
}

/* --- its section ---------------------------------------------------------------------------------------------------- */

static void section_check_conf(const void *conf, const struct cfg_options *o)
{
    api_check_conf(conf, o);
}

static struct listener_needs section_needs(const void *conf)
{
    const struct api_conf *c = conf;

    return (struct listener_needs){
        .connections = (size_t)c->connections, .threads = api_threads(c), .request = API_REQUEST_MEMORY};
}

static struct listener_place section_place(const void *conf)
{
    const struct api_conf *c = conf;

    return (struct listener_place){.listen = c->listen, .tls = &c->tls};
}

static void section_change(struct listener *l, const void *conf)
{
    api_set_keys(l->api, conf);
}

static void section_limit(struct listener *l, size_t connections)
{
    api_limit_connections(l->api, connections);
}

static struct pushback_view section_memory(struct listener *l, nsec mono_now)
{
    return api_memory_pushback(l->api, mono_now);
}

static const char *section_address(const struct listener *l)
{
    return api_address(l->api);
}

static const struct listener_section section = {
    .check_conf = section_check_conf,
    .needs = section_needs,
    .place = section_place,
    .change = section_change,
    .limit = section_limit,
    .memory = section_memory,
    .address = section_address,
};

const struct listener_ops api_listener_ops = {
    .name = "api",
    .called = "the API",
    .section = &section,
    .open = listener_open,
    .start = listener_start,
    .stop = listener_stop,
    .end = listener_end,
    .close = listener_close,
};
