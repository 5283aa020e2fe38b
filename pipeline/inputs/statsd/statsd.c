/* statsd.c -- the input to which programs send metrics as StatsD or DogStatsD does: each value is a record, as it was sent. Nothing is added up.
 *
 * Datagrams have lines; a unix stream has what a datagram would have behind its length (four bytes, the lowest first), a TCP stream lines. */
#include "pipeline/inputs/listen/listen.h"
#include "pipeline/inputs/statsd/line.h"

#include <string.h>

#define BAD_HINT "what is sent must be StatsD's or DogStatsD's lines (docs/statsd.md)"

enum { WHAT_LINES, WHAT_PACKETS };
enum statsd_format { FORMAT_JSON, FORMAT_RAW };

struct statsd_conf {
    struct listen_conf listen;
    int format; /* enum statsd_format */
};

/* How far what came last was taken: a line of several values may be taken in part. */
struct session {
    size_t values_taken;
    size_t packet_taken; /* WHAT_PACKETS */
};

static const struct cfg_choice FORMATS[] = {{"json", FORMAT_JSON}, {"raw", FORMAT_RAW}, {0}};

static const struct listen_scheme SCHEMES[] = {{"udp", LISTEN_UDP, false, WHAT_LINES},
                                               {"unixgram", LISTEN_UNIXGRAM, false, WHAT_LINES},
                                               {"unix", LISTEN_UNIX, false, WHAT_PACKETS},
                                               {"tcp", LISTEN_TCP, false, WHAT_LINES},
                                               {0}};

/* clang-format off */
static const struct cfg_field statsd_fields[] = {
    LISTEN_FIELDS(struct statsd_conf, listen, "udp://127.0.0.1:8125",
                  "udp://HOST:PORT, unixgram:///PATH (datagrams), unix:///PATH (a stream, as DogStatsD's), tcp:// (lines)"),
    {.name = "format", .type = CFG_ENUM, .offset = offsetof(struct statsd_conf, format), .def = "json", .choices = FORMATS,
     .help = "json: each value is an object (docs/statsd.md); raw: each line is a record as it came"},
    {.name = NULL},
};
/* clang-format on */

/* --- lines --------------------------------------------------------------------------------------------------------- */

static enum listen_answer put(struct listen_conn *c, struct slice record)
{
    const struct listen_message m = {.data = record, .facts = listen_facts(c, NULL)};

    return listen_put(c, listen_route(c, 0), &m);
}

/* False: later. */
static bool take_values(struct listen_conn *c, const struct statsd_line *l)
{
    struct slice values = l->kind == STATSD_METRIC ? l->values : SLICE(""), value;
    struct session *s = listen_session(c);
    struct buf *out;

    for (size_t i = 0; statsd_line_next(&values, &value); i++) {
        if (i < s->values_taken)
            continue;
        out = listen_scratch(c);
        if (statsd_line_write(l, value, listen_now(c), out) < 0)
            listen_bad(c, listen_route(c, 0), "a line was too large to be written as JSON", BAD_HINT);
        else if (put(c, buf_slice(out)) == LISTEN_LATER)
            return false;
        s->values_taken = i + 1;
    }
    s->values_taken = 0;
    return true;
}

static bool take(struct listen_conn *c, struct slice line)
{
    const struct statsd_conf *conf = listen_route_conf(listen_route(c, 0));
    struct statsd_line l;
    const char *wrong;

    line = slice_trim(line);
    if (line.n == 0)
        return true;
    if (conf->format == FORMAT_RAW)
        return put(c, line) != LISTEN_LATER;
    wrong = statsd_line_parse(&l, line);
    if (!wrong)
        return take_values(c, &l);
    listen_bad(c, listen_route(c, 0), wrong, BAD_HINT);
    return true;
}

/* Returns how much was used. */
static size_t take_lines(struct listen_conn *c, struct slice in, bool last)
{
    size_t used = 0;

    while (used < in.n) {
        struct slice rest = slice_from(in, used);
        const char *end = memchr(rest.p, '\n', rest.n);

        if (!end && !last)
            break;
        rest.n = end ? (size_t)(end - rest.p) : rest.n;
        if (!take(c, rest))
            break;
        used += rest.n + (end != NULL);
    }
    return used;
}

/* --- packets --------------------------------------------------------------------------------------------------------- */

static size_t length_of(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return u[0] | (size_t)u[1] << 8 | (size_t)u[2] << 16 | (size_t)u[3] << 24;
}

static size_t take_packets(struct listen_conn *c, struct slice in)
{
    struct session *s = listen_session(c);
    size_t used = 0, n, taken;

    while (in.n - used >= 4) {
        n = length_of(in.p + used);
        if (n > STATSD_PACKET_MAX) {
            listen_end(c, "a packet is longer than 1 MiB, or its first four bytes are no length", BAD_HINT);
            return in.n;
        }
        if (in.n - used - 4 < n)
            break;
        taken = s->packet_taken;
        taken += take_lines(c, slice_of(in.p + used + 4 + taken, n - taken), true);
        s->packet_taken = taken < n ? taken : 0;
        if (taken < n)
            break;
        used += 4 + n;
    }
    return used;
}

static size_t read_all(struct listen_conn *c, struct slice in, bool last)
{
    return listen_what(c) == WHAT_PACKETS ? take_packets(c, in) : take_lines(c, in, last);
}

static const struct listen_protocol protocol = {
    .name = "statsd",
    .schemes = SCHEMES,
    .session_bytes = sizeof(struct session),
    .message_max = STATSD_PACKET_MAX + 4,
    .read = read_all,
};

/* --- the input ------------------------------------------------------------------------------------------------------ */

static int statsd_open(struct input **in, const void *conf, const struct input_env *env, struct err *e)
{
    return listen_open(in, &protocol, &((const struct statsd_conf *)conf)->listen, conf, env, e);
}

static void statsd_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    (void)base_dir;
    listen_check_conf(&protocol, &((const struct statsd_conf *)conf)->listen, false, o);
}

static unsigned statsd_sockets(const void *conf)
{
    return listen_sockets(&((const struct statsd_conf *)conf)->listen);
}

static bool same_client(const void *conf, const void *other)
{
    return listen_share(&protocol, &((const struct statsd_conf *)conf)->listen,
                        &((const struct statsd_conf *)other)->listen);
}

const struct input_ops statsd_ops = {
    .name = "statsd",
    .help = "takes metrics, events and service checks of StatsD and DogStatsD by UDP and unix sockets; each value is a "
            "record "
            "(docs/statsd.md)",
    .fields = statsd_fields,
    .conf_size = sizeof(struct statsd_conf),
    .threads = listen_threads,
    .sockets = statsd_sockets,
    .open = statsd_open,
    .start = listen_start,
    .stop = listen_stop,
    .stopped = listen_stopped,
    .close = listen_close,
    .check_conf = statsd_check_conf,
    .same_client = same_client,
    .same_client_text = "listens at the same address: let one stream have it",
};
