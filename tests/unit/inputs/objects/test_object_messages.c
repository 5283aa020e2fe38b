/* However a message's objects end, it waits for all lines that were taken of them. The store answers at once here: what is defined below stands for
 * the agent, and for the thread that an answer wakes. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/log.h"
#include "pipeline/inputs/objects/objects.h"

#define FIRST "one\ntwo\nthr"
#define K50   "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define EVENT                                                                                                          \
    "{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":{\"name\":\"logs\"},\"object\":{\"key\":"   \
    "\"%s\","                                                                                                          \
    "\"sequencer\":\"1\"}}}]}"
#define GONE "<Error><Code>NoSuchKey</Code></Error>"

static const struct ending {
    const char *key;
    const char *range; /* of the first piece */
    int then;          /* the status of the next one */
    uint64_t lines;
} ENDINGS[] = {
    {"gone", "ETag: \"t\"\r\nContent-Range: bytes 0-10/20\r\n", 404, 2},
    {"whole", "ETag: \"t\"\r\nContent-Range: bytes 0-10/11\r\n", 0, 3},
    {"overwritten", "ETag: \"t\"\r\nContent-Range: bytes 0-10/20\r\n", 412, 2},
    {"gone too", "ETag: \"t\"\r\nContent-Range: bytes 0-10/20\r\n", 404, 2},
    /* Its path fills a buffer to the last byte: BUF_FIRST. */
    {K50 K50 K50 K50 K50, "ETag: \"t\"\r\nContent-Range: bytes 0-10/11\r\n", 0, 3},
};

static const struct ending *ending;
static unsigned asked, asked_refused;
static const struct http_response *refusal; /* of what is called so; NULL: none */

int http_agent_use(struct http_agent *a, struct err *e)
{
    (void)a;
    (void)e;
    return 0;
}

void http_agent_send(struct http_agent *a, struct http_ask *ask)
{
    const struct http_response first = {.status = 206, .headers = slice_str(ending->range), .body = SLICE(FIRST)};
    const struct http_response next = {.status = ending->then, .body = SLICE(GONE)};
    const struct http_response changed = {.status = ending->then};

    (void)a;
    if (refusal && strstr(ask->request->url, "/refused")) {
        asked_refused++;
        ask->done(ask, refusal);
        return;
    }
    ask->done(ask, asked++ == 0 || ending->then == 0 ? &first : ending->then == 404 ? &next : &changed);
}

void http_agent_cancel(struct http_agent *a, struct http_ask *ask)
{
    (void)a;
    (void)ask;
}

void input_thread_wake(struct input_thread *t)
{
    (void)t;
}

static void on_news(void *ctx)
{
    (void)ctx;
}

static void on_closing(void *ctx)
{
    objects_closing(ctx);
}

static void read_message(struct objects *o, struct fixture *x)
{
    char text[512];
    void *message = NULL;
    enum objects_fate fate = OBJECTS_REFUSED;
    unsigned turns = 0;

    snprintf(text, sizeof(text), EVENT, ending->key);
    asked = 0;
    assert_int_equal(objects_take(o, text, SLICE("id"), slice_str(text)), OBJECTS_TAKEN);
    for (; !objects_ended(o, &message, &fate); x->now += NSEC_PER_SEC) {
        assert_true(turns++ < 20);
        objects_turn(o, x->now);
    }
    assert_ptr_equal(message, text);
    assert_int_equal(fate, OBJECTS_READ);
}

static char id[] = "AKIDEXAMPLE", secret[] = "secret";
static const struct credentials_conf KEYS = {.access_key_id = id, .secret_access_key = secret};
static const struct tls_conf TLS;

struct rig {
    struct fixture *x;
    struct budget budget;
    struct window w;
    struct objects o;
    uint64_t numbers;
};

static void rig_open(struct rig *g)
{
    struct objects_conf conf = {.stream = "app",
                                .input = "sqs",
                                .source = "a queue",
                                .store = {.endpoint = "http://127.0.0.1:1",
                                          .region = "eu-west-1",
                                          .keys = &KEYS,
                                          .tls = &TLS,
                                          .base_dir = "/tmp"},
                                .readers = 2,
                                .window = &g->w,
                                .numbers = &g->numbers,
                                .id_source = SLICE("ids"),
                                .place_source = "places"};
    struct err e;

    log_set_level(LOG_ERROR);
    *g = (struct rig){.x = fixture_new(false, 64 * MIB, 0)};
    conf.spool = g->x->spool;
    budget_init(&g->budget, 16 * MIB);
    window_init(&g->w, &(struct window_conf){.spool = g->x->spool,
                                             .budget = &g->budget,
                                             .id_source = SLICE("ids"),
                                             .news = on_news,
                                             .closing = on_closing,
                                             .ctx = &g->o});
    if (objects_open(&g->o, &conf, &e) < 0)
        fail_msg("%s", e.msg);
}

static void rig_close(struct rig *g)
{
    objects_close(&g->o);
    fixture_free(g->x); /* who waits for it hears so, as long as the window is there */
    window_release(&g->w);
}

static void a_message_waits_for_all_its_lines(void **state)
{
    uint64_t upto = 0, lines = 0;
    struct spool_books books;
    struct rig g;

    (void)state;
    rig_open(&g);
    for (size_t i = 0; i < ARRAY_LEN(ENDINGS); i++) {
        struct window_news news;

        ending = &ENDINGS[i];
        read_message(&g.o, g.x);
        if (g.numbers <= upto)
            fail_msg("%s: the message is done before its lines are safe", ending->key);
        assert_false(window_look(&g.w, g.x->now).safe);
        commit(g.x);
        news = window_look(&g.w, g.x->now);
        assert_true(news.safe && news.upto == g.numbers);
        upto = news.upto;
        lines += ending->lines;
        spool_books(spool_reader(g.x->spool, 0), &books);
        assert_int_equal(books.incoming, lines);
    }
    rig_close(&g);
}

static void take(struct objects *o, const char *key, void *message)
{
    char text[512];

    snprintf(text, sizeof(text), EVENT, key);
    assert_int_equal(objects_take(o, message, SLICE("id"), slice_str(text)), OBJECTS_TAKEN);
}

/* All in the same turn: there is nothing to wait for. */
static void an_object_that_is_refused_is_no_matter_of_the_others(void **state)
{
    const struct {
        struct http_response re;
        bool of_all;
    } cases[] = {
        {{.status = 403, .body = SLICE("<Error><Code>AccessDenied</Code></Error>")}, false},
        {{.status = 403, .body = SLICE("<Error><Code>InvalidObjectState</Code></Error>")}, false},
        {{.status = 404}, false},
        {{.status = 404, .body = SLICE("<Error><Code>NoSuchBucket</Code></Error>")}, false},
        {{.status = 200, .body_truncated = true}, false},
        {{.status = 403, .body = SLICE("<Error><Code>InvalidAccessKeyId</Code></Error>")}, true},
        {{.status = 403, .body = SLICE("<Error><Code>SignatureDoesNotMatch</Code></Error>")}, true},
        {{.status = 503, .body = SLICE("<Error><Code>SlowDown</Code></Error>")}, true},
        {{.failure = HTTP_RESET, .failure_text = "reset"}, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned refused = 0, read = 0, turns = 0;
        enum objects_fate fate;
        void *message;
        struct rig g;

        rig_open(&g);
        ending = &ENDINGS[1];
        refusal = &cases[i].re;
        take(&g.o, "refused", &refused);
        take(&g.o, "other", &read);
        asked = 0;
        objects_turn(&g.o, g.x->now);
        objects_turn(&g.o, g.x->now);
        while (objects_ended(&g.o, &message, &fate)) {
            assert_int_equal(fate, message == &read ? OBJECTS_READ : OBJECTS_REFUSED);
            ++*(unsigned *)message;
        }
        if (refused == cases[i].of_all)
            fail_msg("case %zu: the message has ended %u times", i, refused);
        if (!cases[i].of_all)
            assert_int_equal(read, 1);
        for (refusal = NULL; cases[i].of_all && refused + read < 2; g.x->now += NSEC_PER_SEC) { /* later all goes on */
            assert_true(turns++ < 20);
            objects_turn(&g.o, g.x->now);
            while (objects_ended(&g.o, &message, &fate)) {
                assert_int_equal(fate, OBJECTS_READ);
                ++*(unsigned *)message;
            }
        }
        assert_true(refused == 1 && read == 1);
        rig_close(&g);
    }
}

/* A store that has lost a part of one object: the others are read meanwhile, and it is not asked for that one each time something else works. */
static void an_object_that_cannot_be_had_while_others_can_is_asked_for_rarely(void **state)
{
    const struct http_response broken = {.status = 500, .body = SLICE("<Error><Code>InternalError</Code></Error>")};
    unsigned read = 0, turns = 0;
    enum objects_fate fate;
    char name[16], waits;
    void *message;
    struct rig g;

    (void)state;
    rig_open(&g);
    ending = &ENDINGS[1];
    refusal = &broken;
    asked = asked_refused = 0;
    take(&g.o, "refused", &waits);
    for (; read < 100; g.x->now += NSEC_PER_SEC) {
        assert_true(turns++ < 1000);
        if (g.o.readers[1].step == READER_IDLE) {
            snprintf(name, sizeof(name), "other %u", read);
            take(&g.o, name, &read);
        }
        objects_turn(&g.o, g.x->now);
        objects_turn(&g.o, g.x->now);
        commit(g.x);
        (void)window_look(&g.w, g.x->now);
        while (objects_ended(&g.o, &message, &fate)) {
            assert_true(message == &read && fate == OBJECTS_READ);
            read++;
        }
    }
    assert_true(asked_refused > 2 && asked_refused < 30);
    refusal = NULL;
    for (g.x->now += 300 * NSEC_PER_SEC; !objects_ended(&g.o, &message, &fate); g.x->now += NSEC_PER_SEC) {
        assert_true(turns++ < 1100);
        objects_turn(&g.o, g.x->now);
    }
    assert_true(message == &waits && fate == OBJECTS_READ);
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_waits_for_all_its_lines),
        cmocka_unit_test(an_object_that_is_refused_is_no_matter_of_the_others),
        cmocka_unit_test(an_object_that_cannot_be_had_while_others_can_is_asked_for_rarely),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
