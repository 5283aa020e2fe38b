/* forward.c -- the input that takes what Fluentd, Fluent Bit and Docker
 * forward: events by tag, acknowledged when they are safe.
 *
 * The protocol is session.h's; what it shares with other inputs that listen is
 * listen/listen.h's. */
#include "pipeline/inputs/forward/session.h"

#include "config/options.h"
#include "pipeline/base/limits.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
static const struct cfg_field forward_fields[] = {
    LISTEN_FIELDS(struct forward_conf, listen, "127.0.0.1:24224", "tcp://, tls://, unix:///path, and udp:// for Fluentd's old heartbeats"),
    {.name = "shared_key", .type = CFG_STRING, .offset = offsetof(struct forward_conf, shared_key), .secret = true,
     .help = "a sender must show that it knows it, as Fluentd's `security` and Fluent Bit's `Shared_Key` do; all inputs at one address have the same"},
    {.name = "users", .type = CFG_STRINGS, .offset = offsetof(struct forward_conf, users), .secret = true,
     .help = "`NAME:PASSWORD`, one of which a sender must show as well"},
    {.name = "tags", .type = CFG_STRINGS, .offset = offsetof(struct forward_conf, tags), .max = 100,
     .help = "only events of these tags, where `*` is one part of a tag and `**` any number of them; left out: all that no other stream at the "
             "address wants"},
    {.name = "time_field", .type = CFG_STRING, .offset = offsetof(struct forward_conf, time_field), .def = "time",
     .help = "each record gets the event's time under this name, unless it has that; \"\": not"},
    {.name = "tag_field", .type = CFG_STRING, .offset = offsetof(struct forward_conf, tag_field), .def = "tag",
     .help = "likewise the tag"},
    {.name = "remember", .type = CFG_INT, .offset = offsetof(struct forward_conf, remember), .def = "10000", .min = 0, .max = 100000,
     .help = "pieces of chunks that are remembered at most, so that one that comes again is stored once; 0: none"},
    {.name = "remember_for", .type = CFG_DURATION, .offset = offsetof(struct forward_conf, remember_for), .def = "24h", .min = 60 * NSEC_PER_SEC,
     .max = 30LL * 24 * 3600 * NSEC_PER_SEC, .help = "for so long"},
    {.name = NULL},
};
/* clang-format on */

static int forward_open(struct input **in, const void *conf, const struct input_env *env, struct err *e)
{
    return listen_open(in, &forward_protocol, &((const struct forward_conf *)conf)->listen, conf, env, e);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void refuse(const struct cfg_options *o, const char *what)
{
    struct err e;

    (void)err_set(&e, ERR_CONFIG, "%s", what);
    cfg_options_refuse(o, &e);
}

static void forward_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct forward_conf *c = conf;
    struct err e;

    (void)base_dir;
    listen_check_conf(&forward_protocol, &c->listen, c->shared_key != NULL, o);
    if (c->shared_key && !*c->shared_key)
        refuse(o, "shared_key: it is empty");
    if (c->users.n > 0 && !c->shared_key)
        refuse(o, "users: they are asked for with a shared_key only");
    for (size_t i = 0; i < c->users.n; i++) {
        const char *colon = strchr(c->users.v[i], ':');

        if (colon && colon > c->users.v[i] && colon[1])
            continue;
        (void)err_set(&e, ERR_CONFIG, "users: a name, a colon and a password are needed");
        cfg_options_refuse_item(o, "users", i, &e);
    }
}

/* Of two that have an address in common one would get nothing, or nobody could be let in by both. */
static bool forward_same_client(const void *conf, const void *other)
{
    const struct forward_conf *a = conf, *b = other;

    return listen_share(&forward_protocol, &a->listen, &b->listen) &&
           ((a->tags.n == 0 && b->tags.n == 0) || !same_text(a->shared_key, b->shared_key));
}

static unsigned forward_sockets(const void *conf)
{
    return listen_sockets(&((const struct forward_conf *)conf)->listen);
}

const struct input_ops forward_ops = {
    .name = "forward",
    .help = "takes what Fluentd, Fluent Bit and Docker forward, acknowledged "
            "when it is safe (docs/forward.md)",
    .fields = forward_fields,
    .conf_size = sizeof(struct forward_conf),
    .threads = listen_threads,
    .sockets = forward_sockets,
    .open = forward_open,
    .start = listen_start,
    .stop = listen_stop,
    .stopped = listen_stopped,
    .close = listen_close,
    .check_conf = forward_check_conf,
    .same_client = forward_same_client,
    .same_client_text = "listens at the same address, and both have no `tags`, or not the same `shared_key`",
};
