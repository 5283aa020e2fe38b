/* A message is taken when it is whole, and put a piece at a time. When there is
 * no room for a piece, the reader says so, and the message is read again from
 * there. A piece is remembered by its number, the chunk's id and the tag:
 * Fluent Bit's id is a digest of the events, which two tags may share. Its last
 * record has the id, so that it is remembered if and only if all of it is safe.
 */
#include "pipeline/inputs/forward/session.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/msgpack.h"
#include "pipeline/inputs/forward/handshake.h"
#include "pipeline/inputs/forward/message.h"
#include "pipeline/inputs/forward/piece.h"
#include "pipeline/inputs/forward/tags.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct session {
    bool begun, known; /* known: it may send */
    unsigned changes;  /* listen_changes(), and what was asked of it then: */
    unsigned char door[SHA512_BYTES];
    struct forward_nonce nonce;
    struct msgpack_scan scan; /* of the message that comes */
    const char *at;           /* where it was when it was read; NULL: it was not */
    struct forward_message message;
    struct forward_reader reader;
    bool holds;      /* memory for the reader, of the budget */
    bool done;       /* all its pieces were put */
    uint32_t passed; /* pieces that were put: the reader may have to begin anew */
    unsigned put;    /* records of the reader's piece that were put */
    uint64_t marks;  /* so far */
    struct buf acks; /* answers that wait for the sync, in order: u16 length, bytes */
};

#define HINT_SENDER                                                                                                    \
    "its own log may say more; nothing of the message is acknowledged, so a "                                          \
    "sender that waits for that sends it again"

/* --- the handshake
 * ----------------------------------------------------------------------------------------------------
 */

/* All who listen here have one key (forward_same_client()). */
static const struct forward_conf *door(struct listen_conn *c)
{
    struct listen_route *first = listen_route(c, 0);

    return first ? listen_route_conf(first) : NULL;
}

static struct forward_secrets secrets_of(const struct forward_conf *conf)
{
    return (struct forward_secrets){.key = conf->shared_key, .users = &conf->users};
}

static void answer(struct listen_conn *c, struct slice bytes)
{
    if (listen_answer(c, bytes) < 0)
        return; /* it is cut off */
}

/* What is asked for there. */
static void print_of(const struct forward_conf *conf, unsigned char print[SHA512_BYTES])
{
    struct slice parts[2] = {SLICE(""), conf->shared_key ? slice_str(conf->shared_key) : SLICE("")};

    sha512_of(parts, ARRAY_LEN(parts), print);
    for (size_t i = 0; i < conf->users.n; i++) {
        unsigned char before[SHA512_BYTES];

        memcpy(before, print, sizeof(before));
        parts[0] = slice_of((const char *)before, sizeof(before));
        parts[1] = slice_str(conf->users.v[i]);
        sha512_of(parts, ARRAY_LEN(parts), print);
    }
}

/* Where nobody listens now, who may come in is not known before something is read. */
static void greet(struct listen_conn *c)
{
    const struct forward_conf *conf = door(c);
    struct session *s = listen_session(c);
    struct forward_secrets secrets;
    struct buf out;

    if (!conf)
        return;
    s->begun = true;
    s->changes = listen_changes(c);
    print_of(conf, s->door);
    s->known = !conf->shared_key;
    if (s->known)
        return;
    random_bytes(&s->nonce, sizeof(s->nonce));
    secrets = secrets_of(conf);
    buf_init(&out, 1024);
    if (forward_helo(&s->nonce, &secrets, &out) == 0)
        answer(c, buf_slice(&out));
    buf_release(&out);
}

/* A reload may have changed what is asked for. */
static bool is_door_the_same(struct listen_conn *c)
{
    struct session *s = listen_session(c);
    unsigned char now[SHA512_BYTES];

    if (s->changes == listen_changes(c))
        return true;
    print_of(door(c), now);
    s->changes = listen_changes(c);
    return memcmp(now, s->door, sizeof(now)) == 0;
}

static void take_ping(struct listen_conn *c, struct slice whole)
{
    const struct forward_conf *conf = door(c);
    struct session *s = listen_session(c);
    struct forward_secrets secrets = secrets_of(conf);
    const char *why = NULL;
    struct buf out;

    buf_init(&out, 1024);
    why = forward_ping(whole, &s->nonce, &secrets, &out);
    answer(c, buf_slice(&out));
    buf_release(&out);
    s->known = why == NULL;
    if (why)
        listen_end(c, why,
                   "compare shared_key and users with the sender's; shared_key "
                   "wants one that speaks the forward protocol");
}

/* --- acknowledgements
 * --------------------------------------------------------------------------------------------------
 */

static bool expect_ack(struct listen_conn *c, struct slice as_it_came)
{
    struct session *s = listen_session(c);
    uint16_t n = (uint16_t)as_it_came.n;

    if (buf_reserve(&s->acks, sizeof(n) + n) < 0)
        return listen_wait(c);
    if (!listen_mark(c, s->marks + 1))
        return false;
    s->marks++;
    memcpy(s->acks.p + s->acks.n, &n, sizeof(n));
    memcpy(s->acks.p + s->acks.n + sizeof(n), as_it_came.p, n);
    s->acks.n += sizeof(n) + n;
    return true;
}

static void acknowledge(struct listen_conn *c, uint64_t mark)
{
    struct session *s = listen_session(c);
    struct buf out;
    uint16_t n;
    int rc;

    (void)mark; /* in order */
    memcpy(&n, s->acks.p, sizeof(n));
    buf_init(&out, n + 16U);
    rc = msgpack_put_head(&out, MSGPACK_MAP, 1);
    rc = rc < 0 ? rc : msgpack_put_str(&out, SLICE("ack"));
    rc = rc < 0 ? rc : buf_add(&out, s->acks.p + sizeof(n), n);
    if (rc == 0)
        answer(c, buf_slice(&out));
    buf_release(&out);
    s->acks.n -= sizeof(n) + n;
    memmove(s->acks.p, s->acks.p + sizeof(n) + n, s->acks.n);
}

/* --- messages
 * -----------------------------------------------------------------------------------------------------------
 */

enum taken {
    TAKEN,
    TAKEN_LATER, /* some of it, perhaps: the session knows how much */
    TAKEN_NEVER, /* the connection is closed */
};

/* What works for one message at a time, on the way of one call of read(). */
struct work {
    struct listen_conn *c;
    struct forward_piece piece;
    struct buf id;
    unsigned pieces; /* in this call */
};

static bool takes_tag(const struct forward_conf *conf, struct slice tag)
{
    for (size_t i = 0; i < conf->tags.n; i++)
        if (forward_tag_is(tag, conf->tags.v[i]))
            return true;
    return conf->tags.n == 0;
}

static struct listen_route *route_of(struct listen_conn *c, struct slice tag)
{
    struct listen_route *r;

    for (size_t i = 0; (r = listen_route(c, i)); i++)
        if (takes_tag(listen_route_conf(r), tag))
            return r;
    return NULL;
}

static enum taken refuse(struct listen_conn *c, const char *why, const char *hint)
{
    listen_end(c, why, hint);
    return TAKEN_NEVER;
}

/* What of a tag may stand in a log. */
static enum taken refuse_tag(struct listen_conn *c, struct slice tag)
{
    char why[120], shown[48];
    size_t n = 0;

    for (; n < tag.n && n < sizeof(shown) - 1; n++)
        shown[n] = tag.p[n] > ' ' && tag.p[n] <= '~' && tag.p[n] != '"' ? tag.p[n] : '?';
    shown[n] = '\0';
    snprintf(why, sizeof(why), "no stream that listens here takes the tag %s", shown);
    return refuse(c, why, "list it in `tags`, or leave `tags` out in one of the streams");
}

static bool remembers(const struct forward_conf *conf, const struct forward_message *m)
{
    return m->chunk.n > 0 && conf->remember > 0;
}

static struct slice piece_id(struct work *w, const struct forward_message *m, uint32_t number)
{
    buf_clear(&w->id);
    if (buf_printf(&w->id, "%" PRIu32 " %zu ", number, m->chunk.n) < 0 || buf_add_slice(&w->id, m->chunk) < 0 ||
        buf_add_slice(&w->id, m->tag) < 0)
        return SLICE("");
    return buf_slice(&w->id);
}

static enum taken put_record(struct work *w, struct listen_route *r, unsigned i, struct slice id)
{
    struct listen_message record = {.data = forward_piece_record(&w->piece, i),
                                    .facts = forward_piece_facts(&w->piece, i),
                                    .id = i == w->piece.count - 1 ? id : SLICE("")};

    switch (listen_put(w->c, r, &record)) {
    case LISTEN_TAKEN:
        return TAKEN;
    case LISTEN_LATER:
        return TAKEN_LATER;
    case LISTEN_TOO_LARGE:
        break;
    }
    return refuse(w->c, "an event is larger than the stream's spool may be", "raise spool.limit; " HINT_SENDER);
}

/* One that is known, or on its way, is not put again: its last record finds
 * that out, and what the acknowledgement waits for. */
static enum taken put_piece(struct work *w, const struct forward_message *m, struct listen_route *r)
{
    struct session *s = listen_session(w->c);
    const struct forward_piece *p = &w->piece;
    struct slice id = SLICE("");
    enum taken t;

    if (remembers(listen_route_conf(r), m))
        id = piece_id(w, m, s->reader.number);
    if (s->put == 0 && id.n > 0 && listen_id_seen(r, id) != SPOOL_ID_NEW) {
        t = put_record(w, r, p->count - 1, id);
        if (t == TAKEN)
            listen_duplicates(r, p->count - 1);
        return t;
    }
    if (s->put == 0 && p->count > 1 && listen_fits(w->c, r, p->count, p->data.n, p->facts.n + id.n) != LISTEN_TAKEN)
        return TAKEN_LATER;
    for (; s->put < p->count; s->put++) {
        t = put_record(w, r, s->put, id);
        if (t != TAKEN)
            return t;
    }
    return TAKEN;
}

static bool hold(struct listen_conn *c, size_t bytes)
{
    struct session *s = listen_session(c);

    if ((bytes > 0 || s->holds) && !listen_hold(c, bytes))
        return false;
    s->holds = bytes > 0;
    return true;
}

static bool can_keep(struct work *w)
{
    struct session *s = listen_session(w->c);

    return hold(w->c, forward_reader_holds(&s->reader));
}

static void drop_reader(struct work *w)
{
    struct session *s = listen_session(w->c);

    forward_reader_release(&s->reader);
    (void)hold(w->c, 0);
}

/* The one that is next, when it was put already. */
static bool was_put(struct session *s)
{
    return s->reader.number < s->passed;
}

static enum taken put_events(struct work *w, const struct forward_message *m, struct listen_route *r)
{
    const struct forward_conf *conf = listen_route_conf(r);
    const struct forward_shape shape = {slice_str(conf->time_field), slice_str(conf->tag_field)};
    struct session *s = listen_session(w->c);
    const char *why = NULL;
    enum taken t;

    for (;;) {
        if (!was_put(s) && !listen_has_room(w->c, r))
            return TAKEN_LATER;
        if (!forward_fill(&s->reader, m, &shape, listen_now(w->c), &w->piece, &why))
            return refuse(w->c, why, HINT_SENDER);
        if (w->piece.count > 0) {
            t = was_put(s) ? TAKEN : put_piece(w, m, r);
            if (t != TAKEN)
                return t;
            forward_passed(&s->reader, &w->piece);
            if (s->reader.number <= s->passed)
                continue;
            s->passed = s->reader.number;
            s->put = 0;
        } else if (w->piece.more) {
            w->pieces = FORWARD_TURN_PIECES;
        } else {
            return TAKEN;
        }
        if (++w->pieces >= FORWARD_TURN_PIECES && can_keep(w)) {
            listen_yield(w->c);
            return TAKEN_LATER;
        }
    }
}

static enum taken take_message(struct work *w, struct slice whole)
{
    struct session *s = listen_session(w->c);
    struct forward_message *m = &s->message;
    struct listen_route *r;
    const char *why;
    enum taken t;

    if (!s->known) {
        take_ping(w->c, whole);
        return s->known ? TAKEN : TAKEN_NEVER;
    }
    if (s->at)
        forward_moved(m, s->at, whole.p);
    else if (!forward_read(whole, m, &why))
        return refuse(w->c, why, "is the sender one that speaks the forward protocol? " HINT_SENDER);
    s->at = whole.p;
    if (m->quiet)
        return TAKEN;
    r = route_of(w->c, m->tag);
    if (!r)
        return refuse_tag(w->c, m->tag);
    t = s->done ? TAKEN : put_events(w, m, r);
    s->done = t == TAKEN;
    /* What was unpacked stays for as long as there is memory for it; else it is unpacked once more. */
    if (s->done || (t == TAKEN_LATER && !can_keep(w)))
        drop_reader(w);
    return s->done && m->chunk.n > 0 && !expect_ack(w->c, m->answer) ? TAKEN_LATER : t;
}

/* It has been taken: the next one. */
static void pass_message(struct work *w)
{
    struct session *s = listen_session(w->c);

    s->scan = (struct msgpack_scan){.at = 0};
    s->at = NULL;
    s->done = false;
    s->passed = 0;
    s->put = 0;
}

static const char *too_large(const struct session *s)
{
    if (!s->known)
        return s->scan.at > FORWARD_PING_MAX ? "a sender must show first that it knows the shared key" : NULL;
    return s->scan.at > FORWARD_MESSAGE_MAX ? "a message is larger than 64 MiB" : NULL;
}

static size_t take_all(struct work *w, struct slice in)
{
    struct session *s = listen_session(w->c);
    size_t used = 0;

    while (used < in.n) {
        struct slice rest = slice_from(in, used);
        const char *why;

        switch (msgpack_scan(&s->scan, rest)) {
        case MSGPACK_WHOLE:
            break;
        case MSGPACK_PART:
            why = too_large(s);
            listen_expect(w->c, s->scan.at);
            if (why)
                (void)refuse(w->c, why, "let the sender make smaller chunks (chunk_limit_size)");
            return used;
        case MSGPACK_MALFORMED:
        case MSGPACK_DEEP:
            (void)refuse(w->c, "what it sends is no MessagePack, or nested too deeply",
                         "is it a sender that speaks the forward protocol, and with "
                         "TLS on both sides or on none?");
            return used;
        }
        if (take_message(w, slice_of(rest.p, s->scan.at)) != TAKEN)
            return used;
        used += s->scan.at;
        pass_message(w);
    }
    return used;
}

static size_t read_some(struct listen_conn *c, struct slice in, bool last)
{
    struct session *s = listen_session(c);
    struct work w = {.c = c};
    size_t used;

    (void)last;
    if (listen_is_datagram(c)) { /* Fluentd's old sign of life */
        answer(c, slice_of("", 1));
        return in.n;
    }
    if (!s->begun)
        greet(c);
    if (!is_door_the_same(c)) {
        listen_end(c, "shared_key or users were changed by a reload", "nothing: a sender that knows them comes again");
        return 0;
    }
    s->acks.max = FORWARD_WAITING_MAX;
    forward_piece_init(&w.piece);
    buf_init(&w.id, FORWARD_CHUNK_MAX + FORWARD_TAG_MAX + 64);
    used = take_all(&w, in);
    forward_piece_release(&w.piece);
    buf_release(&w.id);
    return used;
}

static void begin(struct listen_conn *c)
{
    if (!listen_is_datagram(c))
        greet(c);
}

static void ended(struct listen_conn *c)
{
    struct session *s = listen_session(c);

    forward_reader_release(&s->reader);
    (void)hold(c, 0);
    buf_release(&s->acks);
}

/* --- the protocol
 * --------------------------------------------------------------------------------------------------------
 */

static struct id_bounds bounds(const void *conf)
{
    const struct forward_conf *c = conf;

    return (struct id_bounds){.count = (uint32_t)c->remember, .seconds = (uint32_t)(c->remember_for / NSEC_PER_SEC)};
}

static bool is_choosy(const void *conf)
{
    return ((const struct forward_conf *)conf)->tags.n > 0;
}

static const struct listen_scheme SCHEMES[] = {
    {"tcp", LISTEN_TCP, false, 0}, {"tls", LISTEN_TCP, true, 0}, {"unix", LISTEN_UNIX, false, 0},
    {"udp", LISTEN_UDP, false, 0}, {NULL, LISTEN_TCP, false, 0},
};

const struct listen_protocol forward_protocol = {
    .name = "forward",
    .schemes = SCHEMES,
    .session_bytes = sizeof(struct session),
    .message_max = FORWARD_MESSAGE_MAX,
    .acknowledges = true,
    .id_source = "forward",
    .bounds = bounds,
    .begin = begin,
    .read = read_some,
    .safe = acknowledge,
    .ended = ended,
    .is_choosy = is_choosy,
};
