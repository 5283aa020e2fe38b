/* The server's side of gRPC, and a client that the same library plays: bytes go from one to the other, and nothing waits. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/otlp_grpc/grpc.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of both sides. */
struct pair {
    struct grpc *g;
    nghttp2_session *client;
    size_t most, held, peak;
    unsigned headed, asked, closed;
    bool refuses;          /* in headed() */
    struct slice rest;     /* of what the client sends */
    bool waits;            /* it has more to send, and does not */
    int32_t last;          /* of its calls, that the server will see to; -1: nobody said so */
    char code[8], http[8]; /* of the last answer */
};

/* --- the server ------------------------------------------------------------------------------------------------------ */

static size_t most(void *ctx, const struct grpc_call *call)
{
    (void)call;
    return ((struct pair *)ctx)->most;
}

static bool room(void *ctx, size_t bytes)
{
    struct pair *p = ctx;

    p->held = bytes;
    p->peak = bytes > p->peak ? bytes : p->peak;
    return true;
}

static bool headed(void *ctx, struct grpc_call *call)
{
    struct pair *p = ctx;

    p->headed++;
    assert_string_equal(grpc_path(call), "/s/m");
    assert_string_equal(grpc_authorization(call), "Bearer x");
    return !p->refuses;
}

static void asked(void *ctx, struct grpc_call *call)
{
    struct pair *p = ctx;

    p->asked++;
    assert_null(grpc_authorization(call));
    if (grpc_is_unwanted(call))
        grpc_refuse(p->g, call, 16, "no", SLICE(""), SLICE(""));
    else
        grpc_answer(p->g, call, grpc_message(call));
}

static void gone(void *ctx, struct grpc_call *call)
{
    (void)ctx;
    (void)call;
}

static const struct grpc_ops OPS = {.most = most, .room = room, .headed = headed, .asked = asked, .gone = gone};

/* --- the client ------------------------------------------------------------------------------------------------------ */

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct pair *p = arg;
    struct slice key = slice_of((const char *)name, name_n);

    (void)h2, (void)frame, (void)flags;
    if (slice_is(key, "grpc-status"))
        snprintf(p->code, sizeof(p->code), "%.*s", (int)value_n, (const char *)value);
    if (slice_is(key, ":status"))
        snprintf(p->http, sizeof(p->http), "%.*s", (int)value_n, (const char *)value);
    return 0;
}

static int on_close(nghttp2_session *h2, int32_t id, uint32_t code, void *arg)
{
    struct pair *p = arg;

    (void)h2, (void)id;
    assert_int_equal(code, NGHTTP2_NO_ERROR);
    p->closed++;
    return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    (void)h2;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code == NGHTTP2_NO_ERROR)
        ((struct pair *)arg)->last = frame->goaway.last_stream_id;
    return 0;
}

static ssize_t read_body(nghttp2_session *h2, int32_t id, uint8_t *to, size_t n, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct pair *p = arg;

    (void)h2, (void)id, (void)source;
    if (p->rest.n == 0 && p->waits)
        return NGHTTP2_ERR_DEFERRED;
    n = p->rest.n < n ? p->rest.n : n;
    memcpy(to, p->rest.p, n);
    p->rest = slice_from(p->rest, n);
    if (p->rest.n == 0 && !p->waits)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static int to_client(void *ctx, struct slice bytes)
{
    struct pair *p = ctx;

    return nghttp2_session_mem_recv(p->client, (const uint8_t *)bytes.p, bytes.n) == (ssize_t)bytes.n ? 0 : -1;
}

static void exchange(struct pair *p, nsec now)
{
    const uint8_t *bytes;
    const char *why = "";
    ssize_t n;

    for (int i = 0; i < 4; i++) {
        while ((n = nghttp2_session_mem_send(p->client, &bytes)) > 0)
            if (grpc_read(p->g, slice_of((const char *)bytes, (size_t)n), now, &why) < 0)
                fail_msg("%s", why);
        assert_false(grpc_write(p->g, to_client, p));
    }
}

static void begin(struct pair *p)
{
    nghttp2_session_callbacks *on;

    *p = (struct pair){.most = 100, .last = -1};
    p->g = grpc_new(&OPS, p);
    assert_non_null(p->g);
    assert_int_equal(nghttp2_session_callbacks_new(&on), 0);
    nghttp2_session_callbacks_set_on_header_callback(on, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(on, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(on, on_frame);
    assert_int_equal(nghttp2_session_client_new(&p->client, on, p), 0);
    nghttp2_session_callbacks_del(on);
    assert_int_equal(nghttp2_submit_settings(p->client, NGHTTP2_FLAG_NONE, NULL, 0), 0);
}

static void end(struct pair *p)
{
    nghttp2_session_del(p->client);
    grpc_free(&p->g);
    assert_int_equal(p->held, 0);
}

static nghttp2_nv pair_of(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .namelen = strlen(name),
                        .value = (uint8_t *)(uintptr_t)value,
                        .valuelen = strlen(value)};
}

static void call(struct pair *p, const char *type, struct slice body, bool waits)
{
    const nghttp2_nv head[] = {pair_of(":method", "POST"),    pair_of(":scheme", "http"),
                               pair_of(":authority", "h"),    pair_of(":path", "/s/m"),
                               pair_of("content-type", type), pair_of("authorization", "Bearer x")};
    const nghttp2_data_provider data = {.read_callback = read_body};

    p->rest = body;
    p->waits = waits;
    p->code[0] = p->http[0] = '\0';
    assert_true(nghttp2_submit_request(p->client, NULL, head, ARRAY_LEN(head), &data, NULL) > 0);
    exchange(p, 1);
}

/* --- tests ------------------------------------------------------------------------------------------------------------ */

#define GRPC "application/grpc"

static void a_message_is_asked_and_answered(void **state)
{
    struct pair p;

    (void)state;
    begin(&p);
    call(&p, GRPC, SLICE("\0\0\0\0\5hello"), false);
    assert_string_equal(p.code, "0");
    assert_true(p.headed == 1 && p.asked == 1 && p.closed == 1 && p.peak == 5 && p.held == 0);
    end(&p);
}

/* Who is not let in takes no memory, however much he sends. */
static void who_is_refused_by_his_head_has_no_room(void **state)
{
    struct pair p;

    (void)state;
    begin(&p);
    p.refuses = true;
    call(&p, GRPC, SLICE("\0\0\0\0\5hello"), false);
    assert_string_equal(p.code, "16");
    call(&p, "text/plain", SLICE("\0\0\0\0\5hello"), false);
    assert_string_equal(p.http, "415");
    assert_true(p.headed == 1 && p.asked == 1 && p.closed == 2 && p.peak == 0);
    end(&p);
}

/* What may come follows the settings of now, not those of when the connection began. */
static void a_connection_gets_the_limit_of_now(void **state)
{
    struct pair p;

    (void)state;
    begin(&p);
    p.most = 0;
    call(&p, GRPC, SLICE("\0\0\0\0\5hello"), false);
    assert_string_equal(p.code, "8");
    p.most = 5;
    call(&p, GRPC, SLICE("\0\0\0\0\5hello"), false);
    assert_string_equal(p.code, "0");
    end(&p);
}

/* A client whose call was not seen may send it elsewhere, and need not ask whether it was stored. */
static void a_client_is_told_which_call_was_the_last(void **state)
{
    struct pair p;

    (void)state;
    begin(&p);
    call(&p, GRPC, SLICE("\0\0\0\0\5hello"), false);
    call(&p, GRPC, SLICE("\0\0\0\0\5he"), true);
    assert_int_equal(p.last, -1);
    grpc_part(p.g);
    exchange(&p, 1);
    assert_int_equal(p.last, 3);
    end(&p);
}

/* It may be sluice that did not read: a client gives up what is refused for good. */
static void what_comes_too_slowly_is_to_come_again(void **state)
{
    struct pair p;

    (void)state;
    begin(&p);
    call(&p, GRPC, SLICE("\0\0\0\0\5he"), true);
    grpc_look(p.g, 1 + GRPC_CALL_TIME);
    exchange(&p, 1 + GRPC_CALL_TIME);
    assert_true(p.code[0] == '\0' && p.held == 5);
    grpc_look(p.g, 2 + GRPC_CALL_TIME);
    exchange(&p, 2 + GRPC_CALL_TIME);
    assert_string_equal(p.code, "14");
    assert_true(p.held == 0 && p.closed == 0);
    grpc_look(p.g, 3 + GRPC_CALL_TIME); /* nor does its place wait for the rest */
    exchange(&p, 3 + GRPC_CALL_TIME);
    assert_int_equal(p.closed, 1);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_asked_and_answered),
        cmocka_unit_test(who_is_refused_by_his_head_has_no_room),
        cmocka_unit_test(a_connection_gets_the_limit_of_now),
        cmocka_unit_test(a_client_is_told_which_call_was_the_last),
        cmocka_unit_test(what_comes_too_slowly_is_to_come_again),
    };

    return cmocka_run_group_tests_name("grpc", tests, NULL, NULL);
}
