/* A request is HEADERS, then DATA: one byte that says whether the message is packed, four for its length, the message. An answer is HEADERS, DATA of the
 * same shape, and HEADERS with the status; a refusal is HEADERS alone. */
#include "pipeline/inputs/otlp_grpc/grpc.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

enum {
    PREFIX_BYTES = 5,
    CODE_INVALID = 3,
    CODE_EXHAUSTED = 8,
    CODE_UNIMPLEMENTED = 12,
    CODE_INTERNAL = 13,
    CODE_UNAVAILABLE = 14
};

static const char NO_MEMORY[] = "there is no memory for it now; send it again";

struct grpc_call {
    int32_t id;
    bool unwanted;                   /* its message */
    bool asked, answered, ended;     /* ended: its client sends no more */
    bool is_post, is_grpc, is_large; /* its head */
    char path[GRPC_PATH_MAX + 1], encoding[16];
    char *authorization;
    nsec since;
    struct buf in, out;
    size_t counted; /* of `in`, by room() */
    size_t sent;    /* of `out` */
    LIST_ENTRY(grpc_call) link;
};

struct grpc {
    const struct grpc_ops *ops;
    void *ctx;
    size_t held;
    nsec now;
    nghttp2_session *h2;
    LIST_HEAD(, grpc_call) calls;
};

/* --- calls -------------------------------------------------------------------------------------------------------------- */

static struct grpc_call *call_of(struct grpc *g, int32_t id)
{
    return nghttp2_session_get_stream_user_data(g->h2, id);
}

void grpc_drop_message(struct grpc *g, struct grpc_call *call)
{
    buf_release(&call->in);
    g->held -= call->counted;
    call->counted = 0;
    (void)g->ops->room(g->ctx, g->held); /* less than before */
}

static void drop_authorization(struct grpc_call *call)
{
    if (call->authorization)
        mem_wipe(call->authorization);
    call->authorization = NULL;
}

static void free_call(struct grpc *g, struct grpc_call *call)
{
    LIST_REMOVE(call, link);
    if (call->counted)
        grpc_drop_message(g, call);
    buf_release(&call->in);
    buf_release(&call->out);
    drop_authorization(call);
    mem_free(call);
}

const char *grpc_path(const struct grpc_call *call)
{
    return call->path;
}

const char *grpc_authorization(const struct grpc_call *call)
{
    return call->authorization;
}

const char *grpc_encoding(const struct grpc_call *call)
{
    return call->encoding;
}

bool grpc_is_unwanted(const struct grpc_call *call)
{
    return call->unwanted;
}

bool grpc_is_packed(const struct grpc_call *call)
{
    return call->in.n > 0 && call->in.p[0] != 0;
}

struct slice grpc_message(const struct grpc_call *call)
{
    return call->in.n < PREFIX_BYTES ? SLICE("") : slice_from(buf_slice(&call->in), PREFIX_BYTES);
}

/* --- answers ------------------------------------------------------------------------------------------------------------ */

static nghttp2_nv pair(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .namelen = strlen(name),
                        .value = (uint8_t *)(uintptr_t)value,
                        .valuelen = strlen(value)};
}

/* What is no printable character of ASCII, and the percent sign, as %XX. */
static void encode_text(const char *text, char *out, size_t size)
{
    size_t n = 0;

    for (; *text && n + 4 < size; text++) {
        if (*text >= ' ' && *text <= '~' && *text != '%')
            out[n++] = *text;
        else
            n += (size_t)snprintf(out + n, size - n, "%%%02X", (unsigned char)*text);
    }
    out[n] = '\0';
}

/* Base64 without the signs at its end. "": it has no room. */
static const char *encode_bytes(struct slice bytes, char *out, size_t size)
{
    out[0] = '\0';
    if (base64_encoded_length(bytes.n) < size) {
        base64_encode(bytes, out);
        out[base64_encoded_length(bytes.n)] = '\0';
        out[strcspn(out, "=")] = '\0';
    }
    return out;
}

void grpc_refuse(struct grpc *g, struct grpc_call *call, unsigned code, const char *why, struct slice details,
                 struct slice retry_info)
{
    char number[16], text[GRPC_TEXT_MAX], status[GRPC_DETAILS_MAX], retry[64];
    nghttp2_nv head[8];
    size_t n = 0;

    if (call->answered)
        return;
    call->answered = true;
    if (call->counted)
        grpc_drop_message(g, call);
    snprintf(number, sizeof(number), "%u", code);
    encode_text(why, text, sizeof(text));
    head[n++] = pair(":status", "200");
    head[n++] = pair("content-type", "application/grpc");
    head[n++] = pair("grpc-status", number);
    head[n++] = pair("grpc-message", text);
    if (code == CODE_UNIMPLEMENTED)
        head[n++] = pair("grpc-accept-encoding", GRPC_ENCODINGS);
    if (details.n > 0 && *encode_bytes(details, status, sizeof(status)))
        head[n++] = pair("grpc-status-details-bin", status);
    if (retry_info.n > 0 && *encode_bytes(retry_info, retry, sizeof(retry)))
        head[n++] = pair("google.rpc.retryinfo-bin", retry);
    (void)nghttp2_submit_response(g->h2, call->id, head, n, NULL); /* fails when the stream is gone */
}

static void refuse(struct grpc *g, struct grpc_call *call, unsigned code, const char *why)
{
    grpc_refuse(g, call, code, why, SLICE(""), SLICE(""));
}

/* Who does not speak gRPC is told so by HTTP. */
static void refuse_plain(struct grpc *g, struct grpc_call *call, const char *status)
{
    nghttp2_nv head[] = {pair(":status", status)};

    call->answered = true;
    (void)nghttp2_submit_response(g->h2, call->id, head, 1, NULL);
}

static ssize_t read_answer(nghttp2_session *h2, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                           nghttp2_data_source *source, void *arg)
{
    struct grpc_call *call = source->ptr;
    struct slice rest = slice_from(buf_slice(&call->out), call->sent);
    nghttp2_nv trailer[] = {pair("grpc-status", "0")};
    size_t n = rest.n < room ? rest.n : room;

    (void)arg;
    memcpy(to, rest.p, n);
    call->sent += n;
    if (n == rest.n) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        (void)nghttp2_submit_trailer(h2, id, trailer, 1);
    }
    return (ssize_t)n;
}

void grpc_answer(struct grpc *g, struct grpc_call *call, struct slice message)
{
    const char prefix[PREFIX_BYTES] = {0, (char)(message.n >> 24), (char)(message.n >> 16), (char)(message.n >> 8),
                                       (char)message.n};
    nghttp2_nv head[] = {pair(":status", "200"), pair("content-type", "application/grpc")};
    nghttp2_data_provider data = {.source.ptr = call, .read_callback = read_answer};

    if (call->answered)
        return;
    buf_init(&call->out, PREFIX_BYTES + message.n);
    if (buf_add(&call->out, prefix, PREFIX_BYTES) < 0 || buf_add_slice(&call->out, message) < 0) {
        refuse(g, call, CODE_INTERNAL, "there is no memory for an answer");
        return;
    }
    call->answered = true;
    if (call->counted)
        grpc_drop_message(g, call);
    (void)nghttp2_submit_response(g->h2, call->id, head, ARRAY_LEN(head), &data);
}

/* --- what comes ----------------------------------------------------------------------------------------------------------- */

static int on_begin(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    struct grpc *g = arg;
    struct grpc_call *call;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    call = mem_alloc(sizeof(*call));
    call->id = frame->hd.stream_id;
    call->since = g->now;
    buf_init(&call->in, PREFIX_BYTES);
    LIST_INSERT_HEAD(&g->calls, call, link);
    return nghttp2_session_set_stream_user_data(h2, call->id, call);
}

static void copy(char *to, size_t size, struct slice from)
{
    if (from.n < size) {
        memcpy(to, from.p, from.n);
        to[from.n] = '\0';
    }
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct grpc_call *call = call_of(arg, frame->hd.stream_id);
    struct slice key = slice_of((const char *)name, name_n), text = slice_of((const char *)value, value_n);

    (void)h2, (void)flags;
    if (!call || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (slice_is(key, ":path"))
        copy(call->path, sizeof(call->path), text);
    else if (slice_is(key, ":method"))
        call->is_post = slice_is(text, "POST");
    else if (slice_is(key, "content-type"))
        call->is_grpc = slice_is(text, "application/grpc") || slice_is(text, "application/grpc+proto");
    else if (slice_is(key, "grpc-encoding"))
        copy(call->encoding, sizeof(call->encoding), text);
    else if (slice_is(key, "authorization") && !call->authorization && text.n <= GRPC_AUTHORIZATION_MAX)
        call->authorization = mem_strndup(text.p, text.n);
    return 0;
}

static size_t announced(const struct grpc_call *call)
{
    const unsigned char *p = (const unsigned char *)call->in.p;

    return (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
}

/* The prefix is there. */
static void make_room(struct grpc *g, struct grpc_call *call)
{
    size_t n = announced(call);

    if (n > g->ops->most(g->ctx, call)) {
        refuse(g, call, CODE_EXHAUSTED, "the message is larger than max_message allows, or limits.memory");
        return;
    }
    if (!g->ops->room(g->ctx, g->held + n)) {
        refuse(g, call, CODE_UNAVAILABLE, NO_MEMORY);
        return;
    }
    g->held += n;
    call->counted = n;
    call->in.max = PREFIX_BYTES + n;
    if (buf_reserve(&call->in, n) < 0)
        refuse(g, call, CODE_UNAVAILABLE, NO_MEMORY);
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *data, size_t n, void *arg)
{
    struct grpc *g = arg;
    struct grpc_call *call = call_of(g, id);
    struct slice rest = slice_of((const char *)data, n);

    (void)h2, (void)flags;
    while (call && !call->answered && !call->unwanted && rest.n > 0) {
        size_t room = call->in.max - call->in.n, take = rest.n < room ? rest.n : room;

        if (room == 0) {
            refuse(g, call, CODE_INVALID, "more than one message");
            break;
        }
        if (buf_add(&call->in, rest.p, take) < 0) {
            refuse(g, call, CODE_UNAVAILABLE, NO_MEMORY);
            break;
        }
        rest = slice_from(rest, take);
        if (call->in.n == PREFIX_BYTES)
            make_room(g, call);
    }
    return 0;
}

static bool is_whole(const struct grpc_call *call)
{
    return call->in.n >= PREFIX_BYTES && call->in.n == PREFIX_BYTES + announced(call);
}

static void ask(struct grpc *g, struct grpc_call *call)
{
    if (call->answered || call->asked)
        return;
    if (!call->is_post)
        refuse_plain(g, call, "405");
    else if (!call->is_grpc)
        refuse_plain(g, call, "415");
    else if (!call->unwanted && !is_whole(call))
        refuse(g, call, CODE_INVALID, "the message is cut off");
    else {
        call->asked = true;
        g->ops->asked(g->ctx, call);
    }
}

/* What the client shows of itself is looked at here, and kept no longer. What is refused by its head is answered behind its message: not every client
 * that still sends would see the answer. */
static void look_at_head(struct grpc *g, struct grpc_call *call)
{
    call->unwanted = !call->is_post || !call->is_grpc || !g->ops->headed(g->ctx, call);
    drop_authorization(call);
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    struct grpc *g = arg;
    struct grpc_call *call;

    (void)h2;
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    call = call_of(g, frame->hd.stream_id);
    if (call && frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        look_at_head(g, call);
    if (call && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        call->ended = true;
        ask(g, call);
    }
    return 0;
}

static int on_close(nghttp2_session *h2, int32_t id, uint32_t code, void *arg)
{
    struct grpc *g = arg;
    struct grpc_call *call = call_of(g, id);

    (void)code;
    if (!call)
        return 0;
    nghttp2_session_set_stream_user_data(h2, id, NULL);
    if (call->asked && !call->answered)
        g->ops->gone(g->ctx, call);
    free_call(g, call);
    return 0;
}

/* --- a connection --------------------------------------------------------------------------------------------------------- */

static int open_session(struct grpc *g)
{
    nghttp2_session_callbacks *on;
    int rc;

    if (nghttp2_session_callbacks_new(&on) != 0)
        return -1;
    nghttp2_session_callbacks_set_on_begin_headers_callback(on, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(on, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(on, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(on, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(on, on_close);
    rc = nghttp2_session_server_new(&g->h2, on, g);
    nghttp2_session_callbacks_del(on);
    return rc;
}

struct grpc *grpc_new(const struct grpc_ops *ops, void *ctx)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, GRPC_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADERS_MAX},
    };
    struct grpc *g = mem_alloc(sizeof(*g));

    g->ops = ops;
    g->ctx = ctx;
    LIST_INIT(&g->calls);
    if (open_session(g) == 0 && nghttp2_submit_settings(g->h2, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) == 0 &&
        nghttp2_session_set_local_window_size(g->h2, NGHTTP2_FLAG_NONE, 0, GRPC_WINDOW) == 0)
        return g;
    grpc_free(&g);
    return NULL;
}

void grpc_free(struct grpc **gp)
{
    struct grpc *g = *gp;
    struct grpc_call *call;

    if (!g)
        return;
    nghttp2_session_del(g->h2); /* calls no function of ours */
    while ((call = LIST_FIRST(&g->calls)))
        free_call(g, call);
    MEM_CLEAR(*gp);
}

int grpc_read(struct grpc *g, struct slice in, nsec now, const char **why)
{
    ssize_t n;

    g->now = now;
    if (in.n == 0)
        return 0;
    n = nghttp2_session_mem_recv(g->h2, (const uint8_t *)in.p, in.n);
    if (n == (ssize_t)in.n)
        return 0;
    *why = n < 0 ? nghttp2_strerror((int)n) : "it does not speak HTTP/2";
    return -1;
}

bool grpc_write(struct grpc *g, int (*send)(void *ctx, struct slice bytes), void *ctx)
{
    const uint8_t *p;
    ssize_t n;

    while ((n = nghttp2_session_mem_send(g->h2, &p)) > 0)
        if (send(ctx, slice_of((const char *)p, (size_t)n)) < 0)
            return false;
    return n < 0 || (!nghttp2_session_want_read(g->h2) && !nghttp2_session_want_write(g->h2));
}

void grpc_part(struct grpc *g)
{
    (void)nghttp2_submit_goaway(g->h2, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(g->h2),
                                NGHTTP2_NO_ERROR, NULL, 0); /* fails for want of memory: then it sees the end alone */
}

/* It may be we who did not read: so it is to be sent again. Of a client that was answered and does not end its message the place is taken. */
void grpc_look(struct grpc *g, nsec now)
{
    struct grpc_call *call;

    LIST_FOREACH(call, &g->calls, link) {
        if (call->ended || now - call->since <= GRPC_CALL_TIME)
            continue;
        if (call->answered)
            (void)nghttp2_submit_rst_stream(g->h2, NGHTTP2_FLAG_NONE, call->id, NGHTTP2_NO_ERROR);
        else
            refuse(g, call, CODE_UNAVAILABLE, "the message did not come to its end in time; send it again");
    }
}
