/* A request from its head to its answer, with a real spool and a server that the test plays: what the library would be asked is answered here. */
#include "tests/unit/inputs/input_rig.h"

#include "pipeline/inputs/push/impl.h"

#include <semaphore.h>

/* --- the server ----------------------------------------------------------------------------------------------------- */

/* What a MHD_Connection is here: a request's headers, and what becomes of it. */
struct fake {
    const char *headers[4][2];
    sem_t resumed;
    unsigned status;
    char body[512], retry_after[8];
};

/* A MHD_Response. */
struct fake_response {
    char body[512], retry_after[8];
};

static struct fake *fake_of(struct MHD_Connection *c)
{
    return (void *)c;
}

const char *MHD_lookup_connection_value(struct MHD_Connection *c, enum MHD_ValueKind kind, const char *name)
{
    struct fake *f = fake_of(c);

    for (size_t i = 0; kind == MHD_HEADER_KIND && i < ARRAY_LEN(f->headers); i++)
        if (f->headers[i][0] && strcasecmp(f->headers[i][0], name) == 0)
            return f->headers[i][1];
    return NULL;
}

void MHD_suspend_connection(struct MHD_Connection *c)
{
    (void)c;
}

void MHD_resume_connection(struct MHD_Connection *c)
{
    sem_post(&fake_of(c)->resumed);
}

struct MHD_Response *MHD_create_response_from_buffer(size_t size, void *text, enum MHD_ResponseMemoryMode mode)
{
    struct fake_response *re = mem_alloc(sizeof(*re));

    (void)mode;
    snprintf(re->body, sizeof(re->body), "%.*s", (int)size, (const char *)text);
    return (void *)re;
}

struct MHD_Response *MHD_create_response_from_buffer_with_free_callback(size_t size, void *text,
                                                                        MHD_ContentReaderFreeCallback release)
{
    struct MHD_Response *re = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_PERSISTENT);

    release(text);
    return re;
}

enum MHD_Result MHD_add_response_header(struct MHD_Response *re, const char *name, const char *value)
{
    if (strcmp(name, "Retry-After") == 0)
        snprintf(((struct fake_response *)(void *)re)->retry_after, sizeof(((struct fake_response *)0)->retry_after),
                 "%s", value);
    return MHD_YES;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *c, unsigned status, struct MHD_Response *re)
{
    const struct fake_response *from = (void *)re;

    fake_of(c)->status = status;
    snprintf(fake_of(c)->body, sizeof(fake_of(c)->body), "%s", from->body);
    snprintf(fake_of(c)->retry_after, sizeof(fake_of(c)->retry_after), "%s", from->retry_after);
    return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *re)
{
    mem_free(re);
}

/* --- a protocol ----------------------------------------------------------------------------------------------------- */

enum waits { WAITS_NOT, WAITS_AND_GOES_ON, WAITS_FOR_A_THREAD, WAITS_FOR_THE_TEST, DOES_NOT_WAIT };

struct session {
    bool waited;
    pthread_t thread;
};

static void *resume(void *arg)
{
    push_resume(arg);
    return NULL;
}

/* As the header Wait says, once. */
static int wait_first(struct push_request *rq, enum waits how)
{
    struct session *s = push_session(rq);

    if (how == WAITS_NOT || s->waited)
        return 0;
    s->waited = true;
    if (push_wait(rq) < 0)
        return -1;
    if (how == DOES_NOT_WAIT) {
        push_do_not_wait(rq);
        return 0;
    }
    push_suspend(rq);
    if (how == WAITS_AND_GOES_ON)
        push_resume(rq);
    else if (how == WAITS_FOR_A_THREAD)
        assert_int_equal(pthread_create(&s->thread, NULL, resume, rq), 0);
    return 1;
}

/* Each line is a record; the header Key is the request's key, Fact a fact of all its records; a line "bad" is left out. */
static int head(struct push_request *rq, const char *method, const char *beneath)
{
    const char *key = push_header(rq, "Key"), *fact = push_header(rq, "Fact");

    (void)beneath;
    if (strcmp(method, "POST") != 0)
        return push_conclude(rq, MHD_HTTP_METHOD_NOT_ALLOWED, "posts only");
    if (key && !push_set_key(rq, key))
        return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "no key");
    push_fact(rq, "fact", slice_str(fact ? fact : ""));
    return 0;
}

static int read_lines(struct push_request *rq, struct slice body)
{
    static const char note[2048];
    const char *wait = push_header(rq, "Wait");
    struct session *s = push_session(rq);
    struct slice line;
    int rc = wait_first(rq, wait ? (enum waits)atoi(wait) : WAITS_NOT);

    if (rc != 0)
        return rc;
    if (s->thread)
        pthread_join(s->thread, NULL);

    while (slice_take_line(&body, &line)) {
        if (slice_is(line, "refuse"))
            return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "refused");
        if (slice_is(line, "long"))
            return push_note(rq, slice_of(note, sizeof(note)));
        if (slice_is(line, "bad"))
            push_left_out(rq, "line %s", "bad");
        else if (push_add(rq, line, SLICE("")) < 0)
            return -1;
    }
    return push_note(rq, SLICE("noted"));
}

static const char *reply(struct push_request *rq, struct buf *out)
{
    if (push_status(rq) == MHD_HTTP_CREATED)
        push_take_note(rq, out);
    assert_int_equal(buf_printf(out, "|%s", push_why(rq)), 0);
    return "text/plain";
}

static const struct push_protocol protocol = {.name = "http",
                                              .otherwise = "/%s",
                                              .id_source = "test",
                                              .stored = MHD_HTTP_CREATED,
                                              .busy = MHD_HTTP_TOO_MANY_REQUESTS,
                                              .head = head,
                                              .read = read_lines,
                                              .token_beneath = true,
                                              .session_bytes = sizeof(struct session),
                                              .reply = reply};

static struct push_conf conf = {.listen = (char *)(uintptr_t) "127.0.0.1:1", .max_body = 8 * MIB};

static int open_push(struct input **in, const void *c, const struct input_env *env, struct err *e)
{
    static char *tokens[] = {(char *)(uintptr_t) "0123456789abcdef"};

    conf.access.tokens = (struct cfg_strings){tokens, 1};
    return push_open(in, &protocol, &conf, c, env, e);
}

static const struct input_ops ops = {.name = "http",
                                     .open = open_push,
                                     .start = push_start,
                                     .stop = push_stop,
                                     .stopped = push_stopped,
                                     .close = push_close};

static int setup(void **state)
{
    struct rig *r = test_malloc(sizeof(*r));

    rig_init(r, "http");
    r->ops = &ops;
    r->once = true; /* so that it opens no server: the test is one */
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig_release(*state);
    test_free(*state);
    return 0;
}

static const char *url = "/test";

/* One request, in pieces of so many bytes. */
static void ask(struct input *in, struct fake *f, const char *method, struct slice body, size_t piece)
{
    const struct http_asked asked = {.method = method, .url = url, .version = "HTTP/1.1"};
    struct http_exchange x = {.connection = (void *)f, .ctx = in, .from = "127.0.0.1"};

    sem_init(&f->resumed, 0, 0);
    f->headers[3][0] = "Authorization";
    if (!f->headers[3][1])
        f->headers[3][1] = "Bearer 0123456789abcdef";
    f->status = 0;
    assert_int_equal(push_request_ops.begin(&x, &asked), MHD_YES);
    while (f->status == 0 && body.n > 0) {
        size_t n = body.n < piece ? body.n : piece;

        assert_int_equal(push_request_ops.more(&x, &asked, slice_of(body.p, n)), MHD_YES);
        body = slice_from(body, n);
    }
    if (f->status == 0)
        assert_int_equal(push_request_ops.more(&x, &asked, SLICE("")), MHD_YES);
    while (f->status == 0) {
        while (sem_wait(&f->resumed) < 0)
            ;
        assert_int_equal(push_request_ops.more(&x, &asked, SLICE("")), MHD_YES);
    }
    push_request_ops.over(&x);
    sem_destroy(&f->resumed);
}

/* --- tests ---------------------------------------------------------------------------------------------------------- */

static void a_request_is_stored_and_then_answered(void **state)
{
    struct rig *r = *state;
    struct fake f = {.headers = {{"Fact", "x"}}};

    rig_start(r);
    for (size_t piece = 1; piece < 8; piece += 3) {
        ask(r->in, &f, "POST", SLICE("one\nbad\ntwo\n"), piece);
        assert_int_equal(f.status, MHD_HTTP_CREATED);
        assert_string_equal(f.body, "noted|it is stored");
    }
    assert_int_equal(rig_incoming(r), 6);
}

/* One line, "one", each time. */
static void what_is_packed_is_unpacked(void **state)
{
    static const struct {
        const char *encoding;
        struct slice body;
    } cases[] = {
        {"deflate", {"\x78\x9c\xcb\xcf\x4b\xe5\x02\x00\x03\xde\x01\x4d", 12}},
        {"Snappy", {"\x04\x0cone\n", 6}},
    };
    struct rig *r = *state;

    rig_start(r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake f = {.headers = {{"Content-Encoding", cases[i].encoding}}};

        ask(r->in, &f, "POST", cases[i].body, 100);
        if (f.status != MHD_HTTP_CREATED)
            fail_msg("%s: %u %s", cases[i].encoding, f.status, f.body);
    }
    rig_expect(r, "one|one|");
}

static void what_is_refused_has_stored_nothing(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *method, *body, *header, *value;
        unsigned status;
    } cases[] = {
        {"GET", "", "x", "", MHD_HTTP_METHOD_NOT_ALLOWED},
        {"POST", "good\nrefuse\n", "x", "", MHD_HTTP_BAD_REQUEST},
        {"POST", "good\n", "Key", "", MHD_HTTP_BAD_REQUEST},
        {"POST", "good\n", "Content-Encoding", "br", MHD_HTTP_UNSUPPORTED_MEDIA_TYPE},
        {"POST", "good\n", "Content-Encoding", "gzip", MHD_HTTP_BAD_REQUEST},
        {"POST", "good\n", "Content-Encoding", "deflate", MHD_HTTP_BAD_REQUEST},
        {"POST", "good\n", "Content-Encoding", "snappy", MHD_HTTP_BAD_REQUEST},
        {"POST", "good\n", "Content-Length", "99999999", MHD_HTTP_CONTENT_TOO_LARGE},
    };

    rig_start(r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake f = {.headers = {{cases[i].header, cases[i].value}}};

        ask(r->in, &f, cases[i].method, slice_str(cases[i].body), 100);
        if (f.status != cases[i].status || f.retry_after[0])
            fail_msg("%zu: %u %s", i, f.status, f.body);
    }
    struct fake f = {.headers = {[3] = {"Authorization", "Bearer wrong"}}};
    ask(r->in, &f, "POST", SLICE("good\n"), 100);
    assert_int_equal(f.status, MHD_HTTP_UNAUTHORIZED);
    assert_int_equal(rig_incoming(r), 0);
}

/* However soon that is which it waits for. */
static void a_request_may_wait_for_somebody_else_before_it_is_stored(void **state)
{
    static const char *const waits[] = {"0", "1", "2", "4"};
    struct rig *r = *state;

    rig_start(r);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        struct fake f = {.headers = {{"Wait", waits[i]}, {"Key", waits[i]}}};

        ask(r->in, &f, "POST", SLICE("one\n"), 100);
        assert_int_equal(f.status, MHD_HTTP_CREATED);
        assert_string_equal(f.body, "noted|it is stored");
        ask(r->in, &f, "POST", SLICE("one\n"), 100);
        assert_string_equal(f.body, "noted|it is known already");
    }
    assert_int_equal(rig_incoming(r), ARRAY_LEN(waits));
}

/* It is waited for at the end, and nothing of it is stored then. */
static void one_that_waits_when_the_input_stops_is_told_to_come_again(void **state)
{
    const struct http_asked asked = {.method = "POST", .url = "/test", .version = "HTTP/1.1"};
    struct fake f = {.headers = {{"Wait", "3"}, {"Authorization", "Bearer 0123456789abcdef"}}},
                late = {.headers = {{"Wait", "1"}}};
    struct rig *r = *state;
    struct http_exchange x = {.connection = (void *)&f, .from = "127.0.0.1"};

    rig_start(r);
    x.ctx = r->in;
    sem_init(&f.resumed, 0, 0);
    assert_int_equal(push_request_ops.begin(&x, &asked), MHD_YES);
    assert_int_equal(push_request_ops.more(&x, &asked, SLICE("one\n")), MHD_YES);
    assert_int_equal(push_request_ops.more(&x, &asked, SLICE("")), MHD_YES);
    assert_int_equal(f.status, 0);
    push_stop(r->in);
    assert_false(push_stopped(r->in, clock_mono()));
    push_resume(x.own);
    assert_int_equal(push_request_ops.more(&x, &asked, SLICE("")), MHD_YES);
    assert_int_equal(f.status, MHD_HTTP_SERVICE_UNAVAILABLE);
    push_request_ops.over(&x);
    sem_destroy(&f.resumed);
    assert_true(push_stopped(r->in, NSEC_NEVER));
    ask(r->in, &late, "POST", SLICE("one\n"), 100); /* it does not wait any more */
    assert_int_equal(late.status, MHD_HTTP_SERVICE_UNAVAILABLE);
    assert_int_equal(rig_incoming(r), 0);
}

static void a_token_may_be_the_last_step_of_the_path(void **state)
{
    static const struct {
        const char *url, *authorization;
        unsigned status;
    } cases[] = {
        {"/test/0123456789abcdef", "", MHD_HTTP_CREATED},
        {"/test/0123456789abcdeX", "", MHD_HTTP_UNAUTHORIZED},
        {"/test/0123456789abcdef/", "", MHD_HTTP_UNAUTHORIZED},
        {"/test/", "", MHD_HTTP_UNAUTHORIZED},
        {"/test", "", MHD_HTTP_UNAUTHORIZED},
        {"/test/x", "Bearer 0123456789abcdef", MHD_HTTP_CREATED},
    };
    struct rig *r = *state;

    rig_start(r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake f = {.headers = {[3] = {"Authorization", cases[i].authorization}}};

        url = cases[i].url;
        ask(r->in, &f, "POST", SLICE("one\n"), 100);
        url = "/test";
        assert_int_equal(f.status, cases[i].status);
    }
}

/* The sender is to know which of the two is too long. */
static void a_long_answer_is_no_long_body(void **state)
{
    struct rig *r = *state;
    struct fake f = {.status = 0};

    rig_start(r);
    conf.max_body = 1024;
    ask(r->in, &f, "POST", SLICE("long\n"), 100);
    conf.max_body = 8 * MIB;
    assert_int_equal(f.status, MHD_HTTP_CONTENT_TOO_LARGE);
    assert_non_null(strstr(f.body, "its answer would be too long"));
}

static void without_memory_it_is_said_that_it_may_come_later(void **state)
{
    struct rig *r = *state;
    struct fake f = {.status = 0};

    rig_start(r);
    assert_true(budget_take(&r->budget, r->budget.limit - 100));
    ask(r->in, &f, "POST", SLICE("one\ntwo\n"), 100);
    budget_give(&r->budget, r->budget.limit - 100);
    assert_int_equal(f.status, MHD_HTTP_TOO_MANY_REQUESTS);
    assert_string_equal(f.retry_after, PUSH_RETRY_AFTER);
    assert_int_equal(rig_incoming(r), 0);
    ask(r->in, &f, "POST", SLICE("one\ntwo\n"), 100);
    assert_int_equal(f.status, MHD_HTTP_CREATED);
}

/* Where a frame ends does not depend on what is known of the request: so one that comes again is known by its parts. */
static void a_large_request_that_comes_again_is_known_whatever_is_known_of_it(void **state)
{
    static char fact[PUSH_FACTS_MAX / 16];
    struct rig *r = *state;
    struct buf body;
    uint64_t count = 0;

    rig_start(r);
    buf_init(&body, 4 * MIB);
    for (size_t n = 2 * PUSH_FRAME_BYTES; body.n < n; count++)
        assert_int_equal(buf_printf(&body, "%0*u\n", 80, (unsigned)count), 0);
    memset(fact, 'y', sizeof(fact) - 1);
    for (int i = 0; i < 2; i++) {
        struct fake f = {.headers = {{"Key", "k"}, {"Fact", i ? fact : "x"}}};

        ask(r->in, &f, "POST", buf_slice(&body), 65536);
        assert_int_equal(f.status, MHD_HTTP_CREATED);
    }
    assert_int_equal(rig_incoming(r), count);
    buf_release(&body);
}

/* --- two at once ---------------------------------------------------------------------------------------------------- */

enum { AT_ONCE = 4, KEYS = 50 };

struct poster {
    pthread_t thread;
    struct input *in;
    unsigned stored, told_to_wait;
};

static void *post_all(void *arg)
{
    struct poster *p = arg;

    for (unsigned i = 0; i < KEYS; i++) {
        char key[32];
        struct fake f = {.headers = {{"Key", key}}};

        snprintf(key, sizeof(key), "key %u", i);
        do {
            ask(p->in, &f, "POST", SLICE("one\ntwo\n"), 100);
            p->told_to_wait += f.status == MHD_HTTP_SERVICE_UNAVAILABLE;
        } while (f.status == MHD_HTTP_SERVICE_UNAVAILABLE);
        p->stored += f.status == MHD_HTTP_CREATED;
    }
    return NULL;
}

static void of_requests_with_one_key_one_is_stored_whichever_input_they_come_to(void **state)
{
    struct poster posters[AT_ONCE];
    struct rig *r = *state;
    struct input *other;
    struct err e;

    rig_start(r);
    assert_int_equal(ops.open(&other, NULL, &r->in->env, &e), 0);
    assert_int_equal(ops.start(other, &e), 0);
    assert_ptr_equal(push_store_ids(r->in), push_store_ids(other));
    for (size_t i = 0; i < AT_ONCE; i++) {
        posters[i] = (struct poster){.in = i % 2 ? other : r->in};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        pthread_join(posters[i].thread, NULL);
        assert_int_equal(posters[i].stored, KEYS);
    }
    assert_int_equal(rig_incoming(r), 2 * KEYS);
    ops.stop(other);
    assert_true(ops.stopped(other, NSEC_NEVER));
    ops.close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_is_stored_and_then_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_packed_is_unpacked, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_refused_has_stored_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_answer_is_no_long_body, setup, teardown),
        cmocka_unit_test_setup_teardown(a_request_may_wait_for_somebody_else_before_it_is_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_waits_when_the_input_stops_is_told_to_come_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_may_be_the_last_step_of_the_path, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_it_is_said_that_it_may_come_later, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_request_that_comes_again_is_known_whatever_is_known_of_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(of_requests_with_one_key_one_is_stored_whichever_input_they_come_to, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("push", tests, NULL, NULL);
}
