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
static void export(struct client *c, struct slice message)
{
    const nghttp2_nv head[] = {pair(":method", "POST"), pair(":scheme", "http"), pair(":authority", "h"),
                               pair(":path", "/opentelemetry.proto.collector.logs.v1.LogsService/Export"),
                               pair("content-type", "application/grpc")};
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

/* Were it to come later, it would come for ever, and what stands before it would be stored each time. */
static void what_memory_never_holds_is_left_out_and_said(void **state)
{
    /* Of 16 MiB. The others have room in what their message leaves of that, which is less than the next power of two. */
    static const size_t sizes[] = {3, 9 * MIB, 4}, fitting[] = {9 * MIB / 2, 9 * MIB / 2};
    struct cfg_errors *errors = cfg_errors_new();
    struct cfg_strings *listen;
    struct buf message;
    struct client c;
    struct rig r;
    char text[128];

    (void)state;
    rig_init(&r, "otlp_grpc");
    r.conf = mem_alloc(r.ops->conf_size);
    cfg_bind(errors, NULL, r.ops->fields, r.conf);
    listen = (void *)((char *)r.conf + cfg_find(r.ops->fields, "listen")->offset);
    snprintf(text, sizeof(text), "unix://%s", rig_path(&r, "s"));
    mem_free(listen->v[0]);
    listen->v[0] = mem_strdup(text);
    rig_start(&r);
    dial(&c, rig_path(&r, "s"));
    make_request(&message, sizes, ARRAY_LEN(sizes));
    export(&c, buf_slice(&message));
    assert_string_equal(c.code, "0");
    assert_non_null(memmem(c.said.p, c.said.n, "limits.memory", strlen("limits.memory")));
    rig_expect(&r, "{\"signal\":\"log\",\"body\":\"xxx\"}|{\"signal\":\"log\",\"body\":\"xxxx\"}|");
    buf_release(&message);
    buf_clear(&c.said);
    make_request(&message, fitting, ARRAY_LEN(fitting));
    export(&c, buf_slice(&message));
    assert_string_equal(c.code, "0");
    if (fitting[0] < RECORD_MAX_BYTES) {
        assert_int_equal(c.said.n, 5); /* nothing was left out */
        assert_int_equal(rig_incoming(&r), 4);
    }
    hang_up(&c);
    rig_stop(&r);
    cfg_release(r.ops->fields, r.conf);
    mem_free(r.conf);
    cfg_errors_free(&errors);
    buf_release(&message);
    rig_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_memory_never_holds_is_left_out_and_said),
    };

    return cmocka_run_group_tests_name("otlp_grpc", tests, NULL, NULL);
}
