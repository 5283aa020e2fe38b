/* syslog.c -- the input to which machines and devices send syslog: UDP, TCP, TLS, unix sockets, and RELP, which is acknowledged.
 *
 * What a message says is message.h's, where it ends frame.h's and relp.h's, which stream it belongs to match.h's; sockets, bounds and the way into
 * the spool are listen.h's. A message that is larger than may be is cut, and so it is said. */
#include "pipeline/inputs/listen/listen.h"
#include "pipeline/inputs/syslog/frame.h"
#include "pipeline/inputs/syslog/match.h"
#include "pipeline/inputs/syslog/message.h"
#include "pipeline/inputs/syslog/relp.h"

#include "pipeline/base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LONG_WHY  "a message was longer than 1,024,000 bytes, which is the most that one may have, and was cut"
#define LONG_HINT "let its sender send less at a time"
#define RELP_HINT "is it RELP that it speaks? (rsyslog: omrelp)"

enum { WHAT_MESSAGES, WHAT_RELP, WHAT_LOCAL };

enum syslog_format { FORMAT_JSON, FORMAT_RAW };

struct syslog_conf {
    struct listen_conf listen;
    int format; /* enum syslog_format */
    bool keep_raw;
    char *timezone;
    struct syslog_match match;
};

/* What is made of the options in open; listen_conf_of(). */
struct own {
    const struct syslog_conf *conf;
    struct time_zone *zone;
    char host[256]; /* this machine's name */
};

struct session {
    bool counted;       /* messages came with their length */
    bool line;          /* the rest of a line is thrown away */
    size_t left;        /* so many bytes of a message are */
    bool opened, ended; /* RELP */
};

static const struct cfg_choice FORMATS[] = {{"json", FORMAT_JSON}, {"raw", FORMAT_RAW}, {0}};

static const struct listen_scheme SCHEMES[] = {
    {"udp", LISTEN_UDP, false, WHAT_MESSAGES}, {"tcp", LISTEN_TCP, false, WHAT_MESSAGES},
    {"tls", LISTEN_TCP, true, WHAT_MESSAGES},  {"relp", LISTEN_TCP, false, WHAT_RELP},
    {"relps", LISTEN_TCP, true, WHAT_RELP},    {"unixgram", LISTEN_UNIXGRAM, false, WHAT_LOCAL},
    {"unix", LISTEN_UNIX, false, WHAT_LOCAL},  {0}};

/* clang-format off */
static const struct cfg_field syslog_fields[] = {
    LISTEN_FIELDS(struct syslog_conf, listen, "udp://127.0.0.1:5514",
                  "udp://HOST:PORT, tcp://, tls://, relp://, relps:// (RELP over TLS), unixgram:///PATH (as /dev/log), unix:///PATH"),
    {.name = "format", .type = CFG_ENUM, .offset = offsetof(struct syslog_conf, format), .def = "json", .choices = FORMATS,
     .help = "json: a record is an object of what the message says (docs/syslog.md); raw: it is the message as it came"},
    {.name = "keep_raw", .type = CFG_BOOL, .offset = offsetof(struct syslog_conf, keep_raw), .def = "false",
     .help = "with json: the object has the message as it came, too, as `raw`"},
    {.name = "timezone", .type = CFG_STRING, .offset = offsetof(struct syslog_conf, timezone), .def = "UTC", .max = TIME_ZONE_NAME_MAX,
     .help = "the zone of times that say none (RFC 3164 has no place for one): Europe/Berlin"},
    {.name = "match", .type = CFG_BLOCK, .offset = offsetof(struct syslog_conf, match), .fields = syslog_match_fields,
     .help = "where inputs of several streams listen at one address: the messages that are this one's. One without `match` has what is left"},
    {.name = NULL},
};
/* clang-format on */

/* --- records ------------------------------------------------------------------------------------------------------- */

/* What is behind the blank of "host" of a message that names none. */
static struct slice host_otherwise(struct listen_conn *c, const struct own *own)
{
    return slice_str(listen_what(c) == WHAT_LOCAL ? own->host : listen_peer(c));
}

/* NULL: nobody wants it. */
static struct listen_route *route_of(struct listen_conn *c, struct slice raw, struct syslog_reading *reading,
                                     struct syslog_message *m)
{
    const struct time_zone *zone = NULL;
    struct listen_route *r;

    for (size_t i = 0; (r = listen_route(c, i)); i++) {
        const struct own *own = listen_route_conf(r);

        if (i == 0 || own->zone != zone) {
            reading->zone = zone = own->zone;
            syslog_message_parse(m, raw, reading);
        }
        if (syslog_match_is(&own->conf->match, m, m->host.n ? m->host : host_otherwise(c, own)))
            return r;
    }
    return NULL;
}

/* False: later. */
static bool take(struct listen_conn *c, struct slice raw)
{
    struct syslog_reading reading = {.now = listen_now(c), .local = listen_what(c) == WHAT_LOCAL};
    struct listen_message record = {.facts = listen_facts(c, NULL)};
    enum listen_answer answer;
    struct syslog_message m;
    struct listen_route *r;
    const struct own *own;
    bool as_it_came = false;
    struct buf *text;

    r = route_of(c, raw, &reading, &m);
    if (m.raw.n == 0)
        return true;
    if (!r) {
        listen_filtered(listen_route(c, 0), 1);
        return true;
    }
    own = listen_route_conf(r);
    record.data = m.raw;
    if (own->conf->format == FORMAT_JSON) {
        text = listen_scratch(c);
        if (syslog_message_write(&m, &reading, host_otherwise(c, own), own->conf->keep_raw, text) == 0)
            record.data = buf_slice(text);
        else
            as_it_came = true;
    }
    answer = listen_put(c, r, &record);
    if (as_it_came && answer == LISTEN_TAKEN)
        listen_bad(c, r, "a message was too large to be written as JSON, and is a record as it came",
                   "let its sender send less at a time");
    return answer != LISTEN_LATER;
}

/* --- streams of messages -------------------------------------------------------------------------------------------- */

/* Of a message that was cut. Returns how much of it is in `in`. */
static size_t throw_away(struct session *s, struct slice in)
{
    bool ended;
    size_t n;

    if (s->line) {
        n = syslog_frame_rest(in, &ended);
        s->line = !ended;
        return n;
    }
    n = s->left < in.n ? s->left : in.n;
    s->left -= n;
    return n;
}

static void say_long(struct listen_conn *c)
{
    listen_bad(c, listen_route(c, 0), LONG_WHY, LONG_HINT);
}

/* Returns how much was used; 0: no more for now. */
static size_t read_one(struct listen_conn *c, struct slice in, bool last)
{
    struct session *s = listen_session(c);
    struct syslog_frame f = syslog_frame(in, last, s->counted, LINE_MAX_BYTES);

    switch (f.kind) {
    case SYSLOG_FRAME_NONE:
        return 0;
    case SYSLOG_FRAME_WRONG:
        listen_bad(c, listen_route(c, 0), "a connection ended in the middle of a message, which is lost",
                   "its sender broke off");
        return in.n;
    case SYSLOG_FRAME_WHOLE:
    case SYSLOG_FRAME_CUT:
        break;
    }
    if (!take(c, f.message))
        return 0;
    s->counted |= f.counted;
    if (f.kind == SYSLOG_FRAME_CUT) {
        s->left = f.left;
        s->line = !f.counted;
        say_long(c);
    }
    return f.used;
}

/* --- RELP ------------------------------------------------------------------------------------------------------------ */

/* Who does not read its answers is cut off. */
static void answer(struct listen_conn *c, uint32_t number, const char *text)
{
    char out[RELP_ANSWER_MAX];

    (void)listen_answer(c, slice_of(out, relp_answer(number, text, out)));
}

/* Its answer waits for all that came before: the numbers go out in their order. */
static bool obey(struct listen_conn *c, const struct relp_frame *f)
{
    struct session *s = listen_session(c);

    switch (f->command) {
    case RELP_OPEN:
        s->opened = relp_is_ours(f->data);
        answer(c, f->number, s->opened ? RELP_OFFERS : "500 only version 0 of RELP is spoken here");
        if (!s->opened)
            listen_end(c, "it speaks another version of RELP", "let it speak version 0");
        return true;
    case RELP_SYSLOG:
        if (!s->opened) {
            listen_end(c, "it did not begin with `open`", RELP_HINT);
            return true;
        }
        return listen_can_mark(c) && take(c, f->data) && listen_mark(c, f->number);
    case RELP_CLOSE:
        s->ended = listen_mark(c, f->number);
        return s->ended;
    case RELP_OTHER:
        break;
    }
    answer(c, f->number, "500 unknown command");
    return true;
}

static size_t read_relp(struct listen_conn *c, struct slice in)
{
    struct session *s = listen_session(c);
    struct relp_frame f;

    if (s->ended) /* nothing comes behind its `close` */
        return in.n;
    f = relp_frame(in, LINE_MAX_BYTES);
    if (f.kind == RELP_NONE)
        return 0;
    if (f.kind == RELP_WRONG) {
        listen_end(c, "what came is no frame of RELP", RELP_HINT);
        return in.n;
    }
    if (!obey(c, &f))
        return 0;
    s->left = f.left;
    if (f.kind == RELP_CUT)
        say_long(c);
    return f.used;
}

/* The last answer of a client that goes is followed by our farewell. */
static void safe(struct listen_conn *c, uint64_t mark)
{
    struct session *s = listen_session(c);

    if (listen_what(c) != WHAT_RELP)
        return;
    if (s->ended && listen_marks(c) == 0) {
        answer(c, (uint32_t)mark, "");
        (void)listen_answer(c, SLICE(RELP_FAREWELL));
        listen_end(c, NULL, NULL);
        return;
    }
    answer(c, (uint32_t)mark, "200 OK");
}

/* --- the protocol ---------------------------------------------------------------------------------------------------- */

static size_t read_all(struct listen_conn *c, struct slice in, bool last)
{
    struct session *s = listen_session(c);
    bool relp = listen_what(c) == WHAT_RELP;
    size_t used = 0, n;

    if (listen_is_datagram(c))
        return take(c, in) ? in.n : 0;
    while (used < in.n) {
        struct slice rest = slice_from(in, used);

        n = s->line || s->left ? throw_away(s, rest) : relp ? read_relp(c, rest) : read_one(c, rest, last);
        if (n == 0)
            break;
        used += n;
    }
    return used;
}

static bool is_choosy(const void *conf)
{
    return !syslog_match_any(&((const struct own *)conf)->conf->match);
}

static const struct listen_protocol protocol = {
    .name = "syslog",
    .schemes = SCHEMES,
    .session_bytes = sizeof(struct session),
    .message_max = LINE_MAX_BYTES + 256,
    .read = read_all,
    .safe = safe,
    .is_choosy = is_choosy,
};

/* --- the input ------------------------------------------------------------------------------------------------------ */

static void free_own(struct own *own)
{
    time_zone_free(&own->zone);
    mem_free(own);
}

static int syslog_open(struct input **in, const void *conf, const struct input_env *env, struct err *e)
{
    const struct syslog_conf *c = conf;
    struct own *own = mem_alloc(sizeof(*own));

    own->conf = c;
    if (gethostname(own->host, sizeof(own->host) - 1) < 0)
        own->host[0] = '\0';
    if (time_zone_open(&own->zone, c->timezone, e) == 0 && listen_open(in, &protocol, &c->listen, own, env, e) == 0)
        return 0;
    free_own(own);
    return -1;
}

static void syslog_close(struct input **in)
{
    struct own *own;

    if (!*in)
        return;
    own = (struct own *)(uintptr_t)listen_conf_of(*in);
    listen_close(in);
    free_own(own);
}

static void syslog_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct syslog_conf *c = conf;
    struct time_zone *zone = NULL;
    struct err e;

    (void)base_dir;
    listen_check_conf(&protocol, &c->listen, false, o);
    syslog_match_check(&c->match, o);
    if (time_zone_open(&zone, c->timezone, &e) < 0) {
        (void)err_wrap(&e, "timezone");
        cfg_options_refuse(o, &e);
    }
    time_zone_free(&zone);
}

static unsigned syslog_sockets(const void *conf)
{
    return listen_sockets(&((const struct syslog_conf *)conf)->listen);
}

static bool same_client(const void *conf, const void *other)
{
    const struct syslog_conf *a = conf, *b = other;

    return syslog_match_any(&a->match) && syslog_match_any(&b->match) &&
           listen_share(&protocol, &a->listen, &b->listen);
}

const struct input_ops syslog_ops = {
    .name = "syslog",
    .help = "takes syslog from machines and devices: RFC 5424 and RFC 3164 by UDP, TCP, TLS, unix sockets and RELP, "
            "which is "
            "answered when it is safe (docs/syslog.md)",
    .fields = syslog_fields,
    .conf_size = sizeof(struct syslog_conf),
    .threads = listen_threads,
    .sockets = syslog_sockets,
    .open = syslog_open,
    .start = listen_start,
    .stop = listen_stop,
    .stopped = listen_stopped,
    .close = syslog_close,
    .check_conf = syslog_check_conf,
    .same_client = same_client,
    .same_client_text = "listens at the same address and wants all that comes: one of the two needs `match`",
};
