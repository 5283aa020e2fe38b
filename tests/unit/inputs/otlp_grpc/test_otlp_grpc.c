/* The whole input, and a client that is the library that it has itself. */
#include "tests/unit/inputs/input_rig.h"

#include "config/bind.h"
#include "config/errors.h"
#include "pipeline/base/protobuf.h"

#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <sys/un.h>

struct client {
    nghttp2_session *h2;
    int fd;
    struct slice rest; /* of the message */
    char code[8];      /* of the answer */
    bool left;         /* it was told so */
    struct buf said;
};

static ssize_t send_some(nghttp2_session *h2, const uint8_t *bytes, size_t n, int flags, void *arg)
{
    const struct client *c = arg;

    (void)h2, (void)flags;
    return send(c->fd, bytes, n, MSG_NOSIGNAL);
}

static ssize_t read_body(nghttp2_session *h2, int32_t id, uint8_t *to, size_t n, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct client *c = arg;

    (void)h2, (void)id, (void)source;
    n = c->rest.n < n ? c->rest.n : n;
    memcpy(to, c->rest.p, n);
    c->rest = slice_from(c->rest, n);
    if (c->rest.n == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct client *c = arg;

    (void)h2, (void)frame, (void)flags;
    if (slice_is(slice_of((const char *)name, name_n), "grpc-status"))
        snprintf(c->code, sizeof(c->code), "%.*s", (int)value_n, (const char *)value);
    return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *data, size_t n, void *arg)
{
    struct client *c = arg;

    (void)h2, (void)flags, (void)id;
    return buf_add(&c->said, data, n);
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    struct client *c = arg;

    (void)h2;
    c->left |= frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code == NGHTTP2_NO_ERROR;
    return 0;
}

static void dial(struct client *c, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    nghttp2_session_callbacks *on;

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    *c = (struct client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    buf_init(&c->said, MIB);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(nghttp2_session_callbacks_new(&on), 0);
    nghttp2_session_callbacks_set_send_callback(on, send_some);
    nghttp2_session_callbacks_set_on_header_callback(on, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(on, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(on, on_frame);
    assert_int_equal(nghttp2_session_client_new(&c->h2, on, c), 0);
    nghttp2_session_callbacks_del(on);
    assert_int_equal(nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, NULL, 0), 0);
}

static void hang_up(struct client *c)
{
    nghttp2_session_del(c->h2);
    buf_release(&c->said);
    close(c->fd);
}

static nghttp2_nv pair(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .namelen = strlen(name),
                        .value = (uint8_t *)(uintptr_t)value,
                        .valuelen = strlen(value)};
}

/* Until it is answered. */
static void call(struct client *c, const char *path, struct slice message)
{
    const nghttp2_nv head[] = {pair(":method", "POST"), pair(":scheme", "http"), pair(":authority", "h"),
                               pair(":path", path), pair("content-type", "application/grpc")};
    const nghttp2_data_provider data = {.read_callback = read_body};
    uint8_t got[16384];

    c->rest = message;
    c->code[0] = '\0';
    assert_true(nghttp2_submit_request(c->h2, NULL, head, ARRAY_LEN(head), &data, NULL) > 0);
    while (!c->code[0]) {
        ssize_t n;

        assert_int_equal(nghttp2_session_send(c->h2), 0);
        n = recv(c->fd, got, sizeof(got), 0);
        assert_true(n > 0);
        assert_int_equal(nghttp2_session_mem_recv(c->h2, got, (size_t)n), n);
    }
}

static void export(struct client *c, struct slice message)
{
    call(c, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", message);
}

/* One log record, whose body has n times x. */
static void add_log(struct buf *out, size_t n)
{
    size_t record, body;
    char *text = test_malloc(n);

    memset(text, 'x', n);
    assert_int_equal(protobuf_begin(out, 2, &record) | protobuf_begin(out, 5, &body), 0);
    assert_int_equal(protobuf_add_bytes(out, 1, slice_of(text, n)), 0);
    protobuf_end(out, body);
    protobuf_end(out, record);
    test_free(text);
}

/* A message of gRPC with records of so many bytes. */
static void make_request(struct buf *out, const size_t *sizes, size_t count)
{
    size_t resource, scope, n;

    buf_init(out, 32 * MIB);
    assert_int_equal(buf_add(out, "\0\0\0\0", 5), 0);
    assert_int_equal(protobuf_begin(out, 1, &resource) | protobuf_begin(out, 2, &scope), 0);
    for (size_t i = 0; i < count; i++)
        add_log(out, sizes[i]);
    protobuf_end(out, scope);
    protobuf_end(out, resource);
    n = out->n - 5;
    for (int i = 4; i > 0; i--, n >>= 8)
        out->p[i] = (char)n;
}

/* --- the input -------------------------------------------------------------------------------------------------------- */

struct bed {
    struct rig rig;
    struct cfg_errors *errors;
};

static struct cfg_strings *strings_of(struct rig *r, const char *name)
{
    return (void *)((char *)r->conf + cfg_find(r->ops->fields, name)->offset);
}

static void set_string(struct rig *r, const char *name, const char *text)
{
    struct cfg_strings *s = strings_of(r, name);

    if (s->n > 0)
        mem_free(s->v[0]);
    else
        s->v = mem_alloc(sizeof(*s->v));
    s->n = 1;
    s->v[0] = mem_strdup(text);
}

static void begin_with(struct bed *b, uint64_t limit, const char *name, const char *value)
{
    struct rig *r = &b->rig;
    char text[128];

    b->errors = cfg_errors_new();
    rig_init(r, "otlp_grpc");
    if (limit > 0)
        r->limit = limit;
    r->conf = mem_alloc(r->ops->conf_size);
    cfg_bind(b->errors, NULL, r->ops->fields, r->conf);
    snprintf(text, sizeof(text), "unix://%s", rig_path(r, "s"));
    set_string(r, "listen", text);
    if (name)
        set_string(r, name, value);
    rig_start(r);
}

/* It listens at "s" in the rig's folder; `name` and `value` of one of its options, or NULL. */
static void begin(struct bed *b, const char *name, const char *value)
{
    begin_with(b, 0, name, value);
}

static void end(struct bed *b)
{
    struct rig *r = &b->rig;

    rig_release(r);
    cfg_release(r->ops->fields, r->conf);
    mem_free(r->conf);
    cfg_errors_free(&b->errors);
}

/* Were it to come later, it would come for ever, and what stands before it would be stored each time. */
static void what_memory_never_holds_is_left_out_and_said(void **state)
{
    /* Of 16 MiB. The others have room in what their message leaves of that, which is less than the next power of two. */
    static const size_t sizes[] = {3, 9 * MIB, 4}, fitting[] = {9 * MIB / 2, 9 * MIB / 2};
    struct bed b;
    struct buf message;
    struct client c;

    (void)state;
    begin(&b, NULL, NULL);
    dial(&c, rig_path(&b.rig, "s"));
    make_request(&message, sizes, ARRAY_LEN(sizes));
    export(&c, buf_slice(&message));
    assert_string_equal(c.code, "0");
    assert_non_null(memmem(c.said.p, c.said.n, "limits.memory", strlen("limits.memory")));
    rig_expect(&b.rig, "{\"signal\":\"log\",\"body\":\"xxx\"}|{\"signal\":\"log\",\"body\":\"xxxx\"}|");
    buf_release(&message);
    buf_clear(&c.said);
    make_request(&message, fitting, ARRAY_LEN(fitting));
    export(&c, buf_slice(&message));
    assert_string_equal(c.code, "0");
    if (fitting[0] < RECORD_MAX_BYTES) {
        assert_int_equal(c.said.n, 5); /* nothing was left out */
        assert_int_equal(rig_incoming(&b.rig), 4);
    }
    hang_up(&c);
    buf_release(&message);
    end(&b);
}

/* All of a request whose first record finds no room; as it is with pushes over HTTP. */
static void what_is_sent_back_is_counted(void **state)
{
    static const size_t sizes[] = {300 * KIB, 300 * KIB, 300 * KIB};
    uint64_t before;
    struct bed b;
    struct buf one, three;
    struct client c;

    (void)state;
    begin_with(&b, 3 * MIB, NULL, NULL);
    dial(&c, rig_path(&b.rig, "s"));
    make_request(&one, sizes, 1);
    make_request(&three, sizes, 3);
    do
        export(&c, buf_slice(&one));
    while (strcmp(c.code, "0") == 0);
    assert_string_equal(c.code, "14");
    before = metrics_get(&b.rig.metrics, METRIC_THROTTLED_RECORDS);
    assert_int_equal(before, 1);
    export(&c, buf_slice(&three));
    assert_string_equal(c.code, "14");
    assert_int_equal(metrics_get(&b.rig.metrics, METRIC_THROTTLED_RECORDS), before + 3);
    hang_up(&c);
    buf_release(&one);
    buf_release(&three);
    end(&b);
}

#define SERVICE "opentelemetry.proto.collector."

/* Also who shows no token. */
static void whether_it_works_is_told(void **state)
{
    static const char path[] = "/grpc.health.v1.Health/Check";
    static const struct slice asked[] = {
        {"\0\0\0\0\0", 5},
        {"\0\0\0\0\x33\x0a\x31" SERVICE "logs.v1.LogsService", 5 + 2 + 49},
    };
    char large[5 + 300] = "\0\0\0\x01\x2c";
    struct bed b;
    struct client c;

    (void)state;
    begin(&b, "tokens", "0123456789abcdef");
    dial(&c, rig_path(&b.rig, "s"));
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        buf_clear(&c.said);
        call(&c, path, asked[i]);
        assert_string_equal(c.code, "0");
        assert_memory_equal(c.said.p, "\0\0\0\0\2\x08\1", 7);
    }
    call(&c, path, SLICE("\0\0\0\0\3\x0a\1x"));
    assert_string_equal(c.code, "5");
    call(&c, path, SLICE("\0\0\0\0\2\x0a\5"));
    assert_string_equal(c.code, "3");
    call(&c, path, slice_of(large, sizeof(large)));
    assert_string_equal(c.code, "8");
    call(&c, "/grpc.health.v1.Health/Watch", SLICE("\0\0\0\0\0"));
    assert_string_equal(c.code, "12");
    export(&c, SLICE("\0\0\0\0\0"));
    assert_string_equal(c.code, "16");
    hang_up(&c);
    end(&b);
}

static void a_client_hears_that_it_stops(void **state)
{
    static const size_t one[] = {1};
    uint8_t got[16384];
    struct bed b;
    struct client c;
    struct buf message;
    ssize_t n;

    (void)state;
    begin(&b, NULL, NULL);
    dial(&c, rig_path(&b.rig, "s"));
    make_request(&message, one, 1);
    export(&c, buf_slice(&message));
    rig_stop(&b.rig);
    assert_false(c.left); /* another may take its place */
    end(&b);
    while ((n = recv(c.fd, got, sizeof(got), 0)) > 0)
        assert_int_equal(nghttp2_session_mem_recv(c.h2, got, (size_t)n), n);
    assert_int_equal(n, 0);
    assert_true(c.left);
    hang_up(&c);
    buf_release(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whether_it_works_is_told),
        cmocka_unit_test(a_client_hears_that_it_stops),
        cmocka_unit_test(what_memory_never_holds_is_left_out_and_said),
        cmocka_unit_test(what_is_sent_back_is_counted),
    };

    return cmocka_run_group_tests_name("otlp_grpc", tests, NULL, NULL);
}
