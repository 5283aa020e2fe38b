#include "pipeline/inputs/servers.h"

#include "pipeline/base/mem.h"

struct listener {
    struct http_servers servers;
};

static int servers_open(struct listener **l, const void *conf, struct listeners *all, struct err *e)
{
    (void)conf, (void)all, (void)e;
    *l = mem_alloc(sizeof(**l));
    return 0;
}

static void servers_end(struct listener *l)
{
    http_servers_stop(&l->servers);
}

static void servers_close(struct listener **l)
{
    http_servers_close(&(*l)->servers);
    MEM_CLEAR(*l);
}

struct http_servers *servers_of(struct listeners *all)
{
    return &listeners_find(all, &servers_listener_ops)->servers;
}

const struct listener_ops servers_listener_ops = {.name = "http servers",
                                                  .called = "an HTTP server",
                                                  .open = servers_open,
                                                  .end = servers_end,
                                                  .close = servers_close};
