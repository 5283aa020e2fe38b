/* A request:
 *
 *     asked ── checked whole ── record by record to the stream ── "safe" ── answered
 *
 * A request whose first record finds no room in a stream that has had none for a second is answered with UNAVAILABLE and a time to come again. One of
 * which some is put already waits for a few seconds for the rest, for its client would send all of it again. */
#include "pipeline/inputs/otlp_grpc/session.h"

#include "pipeline/inputs/otlp/answer.h"
#include "pipeline/inputs/otlp_grpc/grpc.h"
#include "pipeline/inputs/otlp_grpc/services.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/coding.h"
#include "transforms/codecs/unpack.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

static const struct listen_scheme schemes[] = {
    {"grpc", LISTEN_TCP, false, 0}, {"grpcs", LISTEN_TCP, true, 0}, {"unix", LISTEN_UNIX, false, 0}, {0}};

/* A request. Its records are put one by one; where there is no room it is left where it is, and goes on with the record that has none. */
struct export
{
    struct grpc_call *call;
    enum otlp_signal signal;
    bool begun;
    struct buf plain; /* unpacked */
    struct otlp_reader reader;
    struct slice record; /* the one that is to be put */
    bool has_record;
    uint64_t put, left_out;
    nsec since; /* wall; it waits for room */
    uint64_t mark;
    TAILQ_ENTRY(export) link;
};

TAILQ_HEAD(exports, export);

struct session {
    struct listen_conn *conn;
    struct grpc *grpc;
    struct exports ready, waiting; /* to be put, for their answer */
    size_t messages, own;          /* bytes that it holds: of calls, and of what is made of them */
    struct buf text;               /* of the record that is made */
    uint64_t marks;
};

static bool hold(struct session *s, size_t messages, size_t own)
{
    if (!listen_hold(s->conn, messages + own))
        return false;
    s->messages = messages;
    s->own = own;
    return true;
}

/* --- answers ------------------------------------------------------------------------------------------------------------- */

static void end_export(struct session *s, struct export *x)
{
    (void)hold(s, s->messages, s->own - x->plain.max);
    buf_release(&x->plain);
    mem_free(x);
}

static void refuse_call(struct session *s, struct grpc_call *call, enum otlp_code code, const char *why)
{
    unsigned retry = code == OTLP_UNAVAILABLE ? OTLP_RETRY_SECONDS : 0;
    struct buf details, info;

    buf_init(&details, OTLP_ANSWER_MAX);
    buf_init(&info, OTLP_ANSWER_MAX);
    if (otlp_answer_status(&details, false, code, why, retry) < 0)
        buf_clear(&details);
    if (retry && otlp_add_retry_info(&info, retry) < 0)
        buf_clear(&info);
    grpc_refuse(s->grpc, call, code, why, buf_slice(&details), buf_slice(&info));
    buf_release(&details);
    buf_release(&info);
}

/* It is the first that is ready. */
static void refuse(struct session *s, struct export *x, enum otlp_code code, const char *why)
{
    refuse_call(s, x->call, code, why);
    TAILQ_REMOVE(&s->ready, x, link);
    end_export(s, x);
}

static void answer(struct session *s, struct export *x)
{
    struct buf out;
    char why[160];

    buf_init(&out, OTLP_ANSWER_MAX);
    snprintf(why, sizeof(why),
             "a record may have %llu bytes, or what spool.limit or limits.memory allows, and has more",
             (unsigned long long)RECORD_MAX_BYTES);
    if (otlp_answer_good(&out, false, x->signal, x->left_out, why) < 0)
        buf_clear(&out);
    grpc_answer(s->grpc, x->call, buf_slice(&out));
    buf_release(&out);
    end_export(s, x);
}

/* --- who may send, and what ------------------------------------------------------------------------------------------------- */

static const char NOT_TAKEN[] = "this signal is not taken here";

static struct listen_route *route_of(struct session *s, enum otlp_signal signal)
{
    struct listen_route *r;

    for (size_t i = 0; (r = listen_route(s->conn, i)); i++) {
        const struct otlp_grpc_conf *conf = listen_route_conf(r);

        if (otlp_wants(&conf->otlp, signal))
            return r;
    }
    return NULL;
}

static bool is_let_in(const struct otlp_grpc_conf *conf, const struct grpc_call *call)
{
    struct http_access *a = http_access_new(&conf->access, NULL);
    bool yes = !a || http_access_ask(a, grpc_authorization(call), NULL) == HTTP_ACCESS_YES;

    http_access_free(&a);
    return yes;
}

static void answer_health(struct session *s, struct grpc_call *call)
{
    enum services_asked asked = SERVICES_DAMAGED;
    enum otlp_signal signal;

    if (!grpc_is_packed(call))
        asked = services_read_health(grpc_message(call), &signal);
    if (asked == SERVICES_DAMAGED)
        refuse_call(s, call, OTLP_INVALID_ARGUMENT, "the message is no HealthCheckRequest");
    else if (asked == SERVICES_UNKNOWN || (asked == SERVICES_ONE && !route_of(s, signal)))
        refuse_call(s, call, OTLP_NOT_FOUND, "there is no such service here");
    else
        grpc_answer(s->grpc, call, SERVICES_SERVING);
}

/* Who shows nothing gets no memory for a message, but for the question whether all is well. */
static bool on_headed(void *ctx, struct grpc_call *call)
{
    struct session *s = ctx;
    enum otlp_signal signal;
    struct listen_route *r = services_signal(grpc_path(call), &signal) ? route_of(s, signal) : NULL;

    if (services_is_health(grpc_path(call)))
        return true;
    if (!r)
        return false;
    if (is_let_in(listen_route_conf(r), call))
        return true;
    listen_bad(s->conn, r, "a request showed no token, or a wrong one",
               "compare what the sender shows with `tokens` and `users`");
    return false;
}

static void refuse_unwanted(struct session *s, struct grpc_call *call)
{
    enum otlp_signal signal;

    if (!services_signal(grpc_path(call), &signal))
        refuse_call(s, call, OTLP_UNIMPLEMENTED, "there are only the services of OTLP for logs, metrics and traces");
    else if (!route_of(s, signal))
        refuse_call(s, call, OTLP_UNIMPLEMENTED, NOT_TAKEN);
    else
        refuse_call(s, call, OTLP_UNAUTHENTICATED,
                    "a token, or a name and a password, is wanted here, and what was shown is none of them");
}

/* --- a request that begins ------------------------------------------------------------------------------------------------ */

/* How large `b` may be next: as it is where it does not grow, not even if nobody else held anything beside the message. */
static size_t grown(const struct session *s, const struct export *x, const struct buf *b, size_t most)
{
    size_t next = b->max == 0         ? GRPC_TEXT_ROOM
                  : b->max < most / 2 ? 2 * b->max
                                      : most,
           beside = grpc_message(x->call).n + (b == &x->plain ? 0 : x->plain.max), all = listen_hold_most(s->conn),
           room = all > beside ? all - beside : 0;

    next = next < room ? next : room;
    return next > b->max ? next : b->max;
}

static bool never_grows(const struct session *s, const struct export *x, const struct buf *b, size_t most)
{
    return grown(s, x, b, most) == b->max;
}

/* False: there is no room for more. */
static bool grow(struct session *s, const struct export *x, struct buf *b, size_t most)
{
    size_t next = grown(s, x, b, most);

    if (next == b->max || !hold(s, s->messages, s->own + next - b->max))
        return false;
    b->max = next;
    return true;
}

/* NULL, or what is wrong. */
static const char *unpack_all(struct session *s, struct export *x, size_t most, enum otlp_code *code)
{
    struct slice rest = grpc_message(x->call);
    const char *encoding = grpc_encoding(x->call);
    bool snappy = strcmp(encoding, "snappy") == 0, known;
    struct coding c;
    struct unpack *u;
    struct err e;

    known = coding_find(snappy ? "x-snappy-framed" : encoding, &c); /* as gRPC's libraries mean it */
    *code = known ? OTLP_INVALID_ARGUMENT : OTLP_UNIMPLEMENTED;
    if (!known)
        return "grpc-encoding is none that is taken here: " GRPC_ENCODINGS;
    if (!c.undo->looks_so(rest))
        return "the message is not packed as grpc-encoding says";
    u = unpack_new_as(c);
    unpack_bound(u, UNZSTD_WINDOW_SENT);
    for (;;) {
        size_t left = rest.n, had = x->plain.n;

        if (unpack_step(u, &rest, &x->plain, &e) < 0 || (left == rest.n && had == x->plain.n && had < x->plain.max))
            break;
        if (rest.n == 0 && unpack_end(u, &e) == 0) {
            unpack_free(&u);
            return NULL;
        }
        if (left > rest.n || x->plain.n > had)
            continue;
        if (!grow(s, x, &x->plain, most)) {
            bool never = never_grows(s, x, &x->plain, most);

            *code = never ? OTLP_RESOURCE_EXHAUSTED : OTLP_UNAVAILABLE;
            unpack_free(&u);
            return never ? "the message is larger than max_message allows, or limits.memory, unpacked"
                         : "there is no memory for it now; send it again";
        }
    }
    unpack_free(&u);
    return "the message is damaged, or cut off";
}

/* False: it was refused. */
static bool begin_export(struct session *s, struct export *x, struct listen_route *r)
{
    const struct otlp_grpc_conf *conf = listen_route_conf(r);
    struct slice body = grpc_message(x->call);
    enum otlp_code code = OTLP_INVALID_ARGUMENT;
    const char *why = NULL;

    if (grpc_is_packed(x->call)) {
        why = unpack_all(s, x, (size_t)conf->max_message, &code);
        body = buf_slice(&x->plain);
        if (!why)
            grpc_drop_message(s->grpc, x->call);
    } else if (body.n > conf->max_message) {
        code = OTLP_RESOURCE_EXHAUSTED;
        why = "the message is larger than max_message allows";
    }
    if (!why) {
        why = otlp_check(x->signal, body);
        code = why ? OTLP_INVALID_ARGUMENT : code;
    }
    if (why) {
        if (code == OTLP_UNAVAILABLE)
            listen_throttled(r, 1); /* how many it has is not known yet */
        else
            listen_bad(s->conn, r, why,
                       "the sender has the same text in its answer; nothing of the request was stored");
        refuse(s, x, code, why);
        return false;
    }
    otlp_open(&x->reader, x->signal, otlp_shape_of(&conf->otlp), body);
    x->begun = true;
    return true;
}

/* --- its records ------------------------------------------------------------------------------------------------------------ */

/* Of one request. */
enum step {
    STEP_DONE,
    STEP_LATER,   /* there is no room for the record that is next */
    STEP_NO_ROOM, /* there is none for what is made of it */
};

static void leave_out(struct session *s, struct export *x, struct listen_route *r)
{
    x->left_out++;
    listen_bad(s->conn, r,
               "a record is larger than a record may be, or than limits.memory has room for: it is left out",
               "the sender has heard of it; let it send less at a time");
}

/* Of a record that found no room in the text. False: later there may be some. */
static bool make_room(struct session *s, struct export *x, struct listen_route *r)
{
    const size_t most = 2 * RECORD_MAX_BYTES + GRPC_TEXT_ROOM;

    if (grow(s, x, &s->text, most))
        return true;
    if (!never_grows(s, x, &s->text, most))
        return false;
    otlp_pass(&x->reader);
    leave_out(s, x, r);
    return true;
}

static enum step put_records(struct session *s, struct export *x, struct listen_route *r)
{
    for (;;) {
        struct listen_message m;

        if (!x->has_record) {
            switch (otlp_next(&x->reader, &s->text, &x->record)) {
            case OTLP_END:
                return STEP_DONE;
            case OTLP_FULL:
                if (!make_room(s, x, r))
                    return STEP_NO_ROOM;
                continue;
            case OTLP_TOO_LARGE:
                leave_out(s, x, r);
                continue;
            case OTLP_RECORD:
                x->has_record = true;
                break;
            }
        }
        m = (struct listen_message){.data = x->record};
        switch (listen_put(s->conn, r, &m)) {
        case LISTEN_TAKEN:
            x->put++;
            break;
        case LISTEN_LATER:
            return STEP_LATER;
        case LISTEN_TOO_LARGE:
            x->left_out++; /* it was said */
            break;
        }
        x->has_record = false;
        x->since = 0;
    }
}

/* What is full for a moment, while the disk writes, is no full stream. */
static bool has_waited(struct session *s, struct export *x, const struct listen_route *r)
{
    nsec now = listen_now(s->conn);

    if (x->since == 0)
        x->since = now;
    if (x->put == 0)
        return listen_blocked(r) > GRPC_BUSY_TIME;
    return now - x->since > GRPC_ROOM_TIME || now < x->since;
}

/* False: no more now. */
static bool work_one(struct session *s, struct export *x)
{
    struct listen_route *r = route_of(s, x->signal);
    enum step step;

    if (!r) {
        refuse(s, x, OTLP_UNIMPLEMENTED, NOT_TAKEN);
        return true;
    }
    if (!x->begun && !begin_export(s, x, r))
        return true;
    step = put_records(s, x, r);
    if (step == STEP_LATER && !has_waited(s, x, r))
        return false;
    if (step == STEP_DONE && listen_mark(s->conn, s->marks + 1)) {
        x->mark = ++s->marks;
        TAILQ_REMOVE(&s->ready, x, link);
        grpc_drop_message(s->grpc, x->call);
        TAILQ_INSERT_TAIL(&s->waiting, x, link);
    } else {
        listen_throttled(r, x->has_record + otlp_rest(&x->reader));
        refuse(s, x, OTLP_UNAVAILABLE,
               step == STEP_LATER ? "the stream is full, or its disk refuses; send it again"
                                  : "there is no memory for it now; send it again");
    }
    return true;
}

static void work(struct session *s)
{
    struct export *x;

    while ((x = TAILQ_FIRST(&s->ready)) && work_one(s, x)) {
        if (s->text.max > GRPC_TEXT_ROOM) {
            (void)hold(s, s->messages, s->own - (s->text.max - GRPC_TEXT_ROOM));
            buf_release(&s->text);
            s->text.max = GRPC_TEXT_ROOM;
        }
        buf_clear(&s->text);
    }
}

/* --- calls ------------------------------------------------------------------------------------------------------------------ */

/* Those who listen there may be others than when the connection began. What would never find room is too large. */
static size_t on_most(void *ctx, const struct grpc_call *call)
{
    struct session *s = ctx;
    size_t most = 0, room = listen_hold_most(s->conn);
    struct listen_route *r;

    if (services_is_health(grpc_path(call)))
        return SERVICES_HEALTH_MAX;
    for (size_t i = 0; (r = listen_route(s->conn, i)); i++) {
        const struct otlp_grpc_conf *conf = listen_route_conf(r);

        most = conf->max_message > most ? (size_t)conf->max_message : most;
    }
    return most < room ? most : room;
}

static bool on_room(void *ctx, size_t bytes)
{
    struct session *s = ctx;

    return hold(s, bytes, s->own);
}

static void on_asked(void *ctx, struct grpc_call *call)
{
    struct session *s = ctx;
    struct export *x;
    bool known;

    if (grpc_is_unwanted(call)) {
        refuse_unwanted(s, call);
        return;
    }
    if (services_is_health(grpc_path(call))) {
        answer_health(s, call);
        return;
    }
    x = mem_alloc(sizeof(*x));
    x->call = call;
    known = services_signal(grpc_path(call), &x->signal);
    assert(known); /* it would not be wanted */
    TAILQ_INSERT_TAIL(&s->ready, x, link);
}

static bool drop_from(struct session *s, struct exports *all, const struct grpc_call *call)
{
    struct export *x;

    TAILQ_FOREACH(x, all, link)
        if (x->call == call) {
            TAILQ_REMOVE(all, x, link);
            end_export(s, x);
            return true;
        }
    return false;
}

static void on_gone(void *ctx, struct grpc_call *call)
{
    struct session *s = ctx;

    if (!drop_from(s, &s->ready, call))
        (void)drop_from(s, &s->waiting, call);
}

static const struct grpc_ops grpc_ops = {
    .most = on_most, .room = on_room, .headed = on_headed, .asked = on_asked, .gone = on_gone};

/* --- connections -------------------------------------------------------------------------------------------------------------- */

static int send_out(void *ctx, struct slice bytes)
{
    return listen_answer(ctx, bytes);
}

static void flush(struct session *s)
{
    if (grpc_write(s->grpc, send_out, s->conn))
        listen_end(s->conn, NULL, NULL);
}

static void on_begin(struct listen_conn *c)
{
    struct session *s = listen_session(c);

    s->conn = c;
    TAILQ_INIT(&s->ready);
    TAILQ_INIT(&s->waiting);
    buf_init(&s->text, GRPC_TEXT_ROOM);
    s->grpc = grpc_new(&grpc_ops, s);
    if (!s->grpc)
        listen_end(c, "there is no memory for HTTP/2", "raise limits.memory, or let fewer clients in");
    else
        flush(s);
}

static size_t on_read(struct listen_conn *c, struct slice in, bool last)
{
    struct session *s = listen_session(c);
    const char *why;

    (void)last;
    if (!s->grpc)
        return in.n;
    if (grpc_read(s->grpc, in, listen_now(c), &why) < 0) {
        flush(s);
        listen_end(c, why, "does it speak gRPC, with TLS where the address has it? OTLP over HTTP is the input `otlp`");
        return in.n;
    }
    work(s);
    flush(s);
    return in.n;
}

static void on_safe(struct listen_conn *c, uint64_t mark)
{
    struct session *s = listen_session(c);
    struct export *x = TAILQ_FIRST(&s->waiting);

    if (!x || x->mark != mark) /* its client has gone */
        return;
    TAILQ_REMOVE(&s->waiting, x, link);
    answer(s, x);
    flush(s);
}

static void on_look(struct listen_conn *c)
{
    struct session *s = listen_session(c);

    grpc_look(s->grpc, listen_now(c));
    flush(s);
}

static void on_parting(struct listen_conn *c)
{
    struct session *s = listen_session(c);

    if (!s->grpc)
        return;
    grpc_part(s->grpc);
    flush(s);
}

static void on_ended(struct listen_conn *c)
{
    struct session *s = listen_session(c);
    struct export *x;

    while ((x = TAILQ_FIRST(&s->ready)) || (x = TAILQ_FIRST(&s->waiting))) {
        TAILQ_REMOVE(x == TAILQ_FIRST(&s->ready) ? &s->ready : &s->waiting, x, link);
        end_export(s, x);
    }
    buf_release(&s->text);
    grpc_free(&s->grpc);
    (void)hold(s, 0, 0);
}

static bool is_choosy(const void *conf)
{
    return ((const struct otlp_grpc_conf *)conf)->otlp.signals.n > 0;
}

const struct listen_protocol otlp_grpc_protocol = {
    .name = "otlp_grpc",
    .schemes = schemes,
    .session_bytes = sizeof(struct session),
    .acknowledges = true,
    .holds = true,
    .begin = on_begin,
    .read = on_read,
    .look = on_look,
    .safe = on_safe,
    .parting = on_parting,
    .ended = on_ended,
    .is_choosy = is_choosy,
};
