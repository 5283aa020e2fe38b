/* However a message's objects end, it waits for all lines that were taken of them. The store answers at once here: what is defined below stands for
 * the agent, and for the thread that an answer wakes. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/log.h"
#include "pipeline/inputs/objects/objects.h"

#define FIRST "one\ntwo\nthr"
#define K50   "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define GONE  "<Error><Code>NoSuchKey</Code></Error>"

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
static unsigned asked;

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
    ask->done(ask, asked++ == 0 ? &first : ending->then == 404 ? &next : &changed);
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

    snprintf(text, sizeof(text),
             "{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":{\"name\":\"logs\"},\"object\":{"
             "\"key\":\"%s\",\"sequencer\":\"1\"}}}]}",
             ending->key);
    asked = 0;
    assert_int_equal(objects_take(o, text, SLICE("id"), slice_str(text)), OBJECTS_TAKEN);
    for (; !objects_ended(o, &message, &fate); x->now += NSEC_PER_SEC) {
        assert_true(turns++ < 20);
        objects_turn(o, x->now);
    }
    assert_ptr_equal(message, text);
    assert_int_equal(fate, OBJECTS_READ);
}

static void a_message_waits_for_all_its_lines(void **state)
{
    static char id[] = "AKIDEXAMPLE", secret[] = "secret";
    const struct credentials_conf keys = {.access_key_id = id, .secret_access_key = secret};
    struct fixture *x = fixture_new(false, 64 * MIB, 0);
    const struct tls_conf tls = {0};
    uint64_t numbers = 0, upto = 0, lines = 0;
    struct spool_books books;
    struct budget budget;
    struct window w;
    struct objects o;
    const struct objects_conf conf = {.stream = "app",
                                      .input = "sqs",
                                      .source = "a queue",
                                      .store = {.endpoint = "http://127.0.0.1:1",
                                                .region = "eu-west-1",
                                                .keys = &keys,
                                                .tls = &tls,
                                                .base_dir = "/tmp"},
                                      .readers = 2,
                                      .spool = x->spool,
                                      .window = &w,
                                      .numbers = &numbers,
                                      .id_source = SLICE("ids"),
                                      .place_source = "places"};
    struct err e;

    (void)state;
    log_set_level(LOG_ERROR);
    budget_init(&budget, 16 * MIB);
    window_init(&w, &(struct window_conf){.spool = x->spool,
                                          .budget = &budget,
                                          .id_source = SLICE("ids"),
                                          .news = on_news,
                                          .closing = on_closing,
                                          .ctx = &o});
    if (objects_open(&o, &conf, &e) < 0)
        fail_msg("%s", e.msg);
    for (size_t i = 0; i < ARRAY_LEN(ENDINGS); i++) {
        struct window_news news;

        ending = &ENDINGS[i];
        read_message(&o, x);
        if (numbers <= upto)
            fail_msg("%s: the message is done before its lines are safe", ending->key);
        assert_false(window_look(&w, x->now).safe);
        commit(x);
        news = window_look(&w, x->now);
        assert_true(news.safe && news.upto == numbers);
        upto = news.upto;
        lines += ending->lines;
        spool_books(spool_reader(x->spool, 0), &books);
        assert_int_equal(books.incoming, lines);
    }
    objects_close(&o);
    window_release(&w);
    fixture_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_waits_for_all_its_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
