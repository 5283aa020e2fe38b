/* Streams come and go on some threads while others put records through the API and look at what is there: no record that was
 * acknowledged is lost or doubled, nobody sees a stream that is gone. ThreadSanitizer watches. */
#include "tests/unit/engine/engine_rig.h"

#include "pipeline/base/base64.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { LANES = 3, CHANGERS = 2, PUTTERS = 2, STEPS = 200 };

static struct rig rig;
static struct lane lanes[LANES];
static atomic_uint changing, next_record;
static in_port_t port;

static unsigned choose(unsigned *seed, unsigned n)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 16) % n;
}

static void *change(void *arg)
{
    unsigned seed = *(unsigned *)arg;
    struct err e;
    uint64_t left;

    for (unsigned i = 0; i < STEPS; i++) {
        struct lane *l = &lanes[choose(&seed, LANES)];

        switch (choose(&seed, 6)) {
        case 0:
            (void)!engine_drain_stream(rig.engine, l->name, choose(&seed, 3) * NSEC_PER_MSEC, &left, &e);
            break;
        case 1:
            (void)!engine_remove_stream(rig.engine, l->name, LONG_ENOUGH, &e);
            break;
        case 2:
            peer_is(choose(&seed, 2) ? l->peer : l->next_peer, choose(&seed, 2) ? TAKES : REFUSES);
            break;
        case 3:
            (void)!engine_replace_sinks(rig.engine, choose(&seed, 2) ? &l->conf : &l->next_conf, &e);
            break;
        case 4:
            (void)!engine_replace_inputs(rig.engine, choose(&seed, 2) ? &l->conf : &l->next_reads, &e);
            break;
        default:
            (void)!engine_open_stream(rig.engine, &l->conf, &e);
        }
    }
    atomic_fetch_sub(&changing, 1);
    return NULL;
}

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    assert(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    return fd;
}

/* What the API answers, to the end of the connection. */
static void ask(const char *operation, const char *body, char *answer, size_t size)
{
    char head[256];
    size_t n = 0;
    ssize_t more;
    int fd = dial();

    snprintf(head, sizeof(head),
             "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: Firehose_20150804.%s\r\nConnection: "
             "close\r\nContent-Length: %zu\r\n\r\n",
             operation, strlen(body));
    assert(send(fd, head, strlen(head), MSG_NOSIGNAL) == (ssize_t)strlen(head));
    assert(send(fd, body, strlen(body), MSG_NOSIGNAL) == (ssize_t)strlen(body));
    while ((more = recv(fd, answer + n, size - 1 - n, 0)) > 0)
        n += (size_t)more;
    answer[n] = '\0';
    close(fd);
}

static void put_one(struct lane *l, unsigned number)
{
    char text[16], encoded[32] = "", body[128], answer[4096];

    snprintf(text, sizeof(text), "%u", number);
    base64_encode(slice_str(text), encoded);
    snprintf(body, sizeof(body), "{\"DeliveryStreamName\":\"%s\",\"Record\":{\"Data\":\"%s\"}}", l->name, encoded);
    ask("PutRecord", body, answer, sizeof(answer));
    if (strstr(answer, "RecordId"))
        l->source.safe[number] = true; /* each number is one thread's */
    else
        assert(strstr(answer, "ResourceNotFoundException") || strstr(answer, "is being deleted"));
}

static void *put(void *arg)
{
    unsigned seed = *(unsigned *)arg;

    while (atomic_load(&changing) > 0) {
        unsigned number = atomic_fetch_add(&next_record, 1);
        struct lane *l = &lanes[choose(&seed, LANES)];

        if (number < RECORDS_MAX)
            put_one(l, number);
    }
    return NULL;
}

static void *look(void *arg)
{
    size_t *seen = arg;

    while (atomic_load(&changing) > 0) {
        struct engine_status es;
        struct engine_view v;
        struct stream_status s;
        char answer[8192];

        engine_status(rig.engine, &es);
        engine_view_take(rig.engine, &v);
        for (size_t i = 0; engine_stream_status(&v, i, clock_wall(), &s); i++) {
            struct named_counters counters = {0}, drops = {0};

            engine_stream_counters(&v, i, &counters, &drops);
            named_counters_release(&counters);
            named_counters_release(&drops);
            *seen += strlen(s.name) + strlen(s.destination) + strlen(s.inputs) +
                     (size_t)metrics_get(s.metrics, METRIC_DELIVERY_ATTEMPTS) + strlen(s.words->error);
            stream_status_release(&s);
        }
        engine_view_release(&v);
        ask("ListDeliveryStreams", "{}", answer, sizeof(answer));
        assert(strstr(answer, "\"first\""));
        ask("DescribeDeliveryStream", "{\"DeliveryStreamName\":\"lane-1\"}", answer, sizeof(answer));
        assert(strstr(answer, "ACTIVE") || strstr(answer, "DELETING") || strstr(answer, "ResourceNotFoundException"));
    }
    return NULL;
}

static void find_port(void)
{
    struct engine_status es;

    engine_status(rig.engine, &es);
    port = (in_port_t)strtoul(strrchr(engine_listens(&es, "api"), ':') + 1, NULL, 10);
}

static void streams_come_and_go_under_those_who_use_them(void **state)
{
    unsigned seeds[CHANGERS + PUTTERS];
    pthread_t threads[CHANGERS + PUTTERS + 1];
    size_t seen = 0;

    (void)state;
    rig_init(&rig);
    find_port();
    for (unsigned i = 0; i < LANES; i++) {
        char name[16];

        snprintf(name, sizeof(name), "lane-%u", i);
        lane_init(&lanes[i], name);
        lane_reads_api(&lanes[i].conf); /* without it with next_reads */
        lane_reads_api(&lanes[i].next_conf);
        rig_open(&rig, &lanes[i]);
    }
    atomic_store(&changing, CHANGERS);
    atomic_store(&next_record, 1);
    for (unsigned i = 0; i < CHANGERS + PUTTERS; i++) {
        seeds[i] = i * 104729 + 17;
        assert_int_equal(pthread_create(&threads[i], NULL, i < CHANGERS ? change : put, &seeds[i]), 0);
    }
    assert_int_equal(pthread_create(&threads[CHANGERS + PUTTERS], NULL, look, &seen), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < LANES; i++) {
        struct stream_status s;

        peer_is(lanes[i].peer, TAKES);
        peer_is(lanes[i].next_peer, TAKES);
        if (!rig_status(&rig, lanes[i].name, &s))
            rig_open(&rig, &lanes[i]);
        assert_int_equal(rig_drain(&rig, lanes[i].name, LONG_ENOUGH), 0);
        lane_check(&lanes[i]);
    }
    rig_free(&rig);
}

static bool is_served(struct lane *l, unsigned number)
{
    put_one(l, number);
    return l->source.safe[number];
}

/* Nobody wants the API at the start. The first that does makes it listen; where that fails nothing of the stream is left. */
static void the_api_listens_when_the_first_stream_wants_it(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int taken = socket(AF_INET, SOCK_STREAM, 0);
    struct stream_status s;
    struct engine_status es;
    socklen_t n = sizeof(at);
    char yaml[256];
    struct err e;

    (void)state;
    assert_int_equal(bind(taken, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(taken, 1), 0);
    assert_int_equal(getsockname(taken, (struct sockaddr *)&at, &n), 0);
    snprintf(yaml, sizeof(yaml),
             "data_dir: ./data\nadmin: { listen: none }\napi: { listen: '127.0.0.1:%u' }\nstreams:\n  first: { inputs: "
             "[{ tail: { paths: [none.log] } }], destination: { file: { path: ./out } } }\n",
             ntohs(at.sin_port));
    rig_init_from(&rig, yaml);
    engine_status(rig.engine, &es);
    assert_null(engine_listens(&es, "api"));
    lane_init(&lanes[0], "a");
    lane_init(&lanes[1], "b");
    lane_reads_api(&lanes[0].conf);
    lane_reads_api(&lanes[1].next_reads);
    assert_int_equal(engine_open_stream(rig.engine, &lanes[0].conf, &e), -1);
    assert_non_null(strstr(e.msg, "stream `a`: api: another program"));
    assert_false(rig_status(&rig, "a", &s));
    close(taken);
    rig_open(&rig, &lanes[0]);
    find_port();
    assert_true(is_served(&lanes[0], 1));
    rig_open(&rig, &lanes[1]);
    assert_false(is_served(&lanes[1], 1));
    assert_int_equal(engine_replace_inputs(rig.engine, &lanes[1].next_reads, &e), 0);
    assert_true(rig_status(&rig, "b", &s));
    assert_string_equal(s.inputs, "api, source");
    assert_true(is_served(&lanes[1], 2));
    assert_int_equal(engine_replace_inputs(rig.engine, &lanes[1].conf, &e), 0);
    assert_false(is_served(&lanes[1], 3));
    assert_int_equal(engine_replace_inputs(rig.engine, &lanes[1].next_reads, &e), 0);
    assert_true(is_served(&lanes[1], 4));
    rig_remove(&rig, "a"); /* the API stays */
    assert_false(is_served(&lanes[0], 5));
    rig_open(&rig, &lanes[0]);
    assert_true(is_served(&lanes[0], 6));
    rig_stop(&rig);
    lane_check(&lanes[0]);
    lane_check(&lanes[1]);
    rig_free(&rig);
}

/* Until the end of the program comes: every call then says so, and none is waited for. Where it gives deliveries no time, what was
 * just being sent may arrive again; nothing else may. */
static void *change_until_the_end(void *arg)
{
    unsigned seed = *(unsigned *)arg;
    struct err e = {.code = ERR_NONE};
    uint64_t left;

    while (e.code != ERR_CANCELLED) {
        struct lane *l = &lanes[choose(&seed, LANES)];

        if (engine_open_stream(rig.engine, &l->conf, &e) < 0 &&
            engine_drain_stream(rig.engine, l->name, LONG_ENOUGH, &left, &e) == 0)
            (void)!engine_remove_stream(rig.engine, l->name, LONG_ENOUGH, &e);
        for (unsigned i = 0; i < 20; i++) {
            unsigned number = atomic_fetch_add(&next_record, 1);

            if (number < RECORDS_MAX)
                (void)source_put(&l->source, number);
        }
    }
    return NULL;
}

static void end_in_the_middle(nsec grace)
{
    unsigned seeds[CHANGERS];
    pthread_t threads[CHANGERS];

    rig_init(&rig);
    for (unsigned i = 0; i < LANES; i++) {
        char name[16];

        snprintf(name, sizeof(name), "lane-%u", i);
        lane_init(&lanes[i], name);
    }
    atomic_store(&next_record, 1);
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < CHANGERS; i++) {
            seeds[i] = round * 7919 + i * 104729 + 17;
            assert_int_equal(pthread_create(&threads[i], NULL, change_until_the_end, &seeds[i]), 0);
        }
        while (atomic_load(&next_record) < 400 * (round + 1))
            usleep(1000);
        (void)engine_drain(rig.engine, grace, -1);
        for (unsigned i = 0; i < CHANGERS; i++)
            pthread_join(threads[i], NULL);
        engine_stop(&rig.engine);
        rig_start(&rig);
    }
    for (unsigned i = 0; i < LANES; i++) {
        rig_open(&rig, &lanes[i]);
        assert_int_equal(rig_drain(&rig, lanes[i].name, LONG_ENOUGH), 0);
        lane_check_at_most(&lanes[i], grace > 0 ? 1 : 20);
    }
    rig_free(&rig);
}

static void the_program_ends_in_the_middle_of_any_change(void **state)
{
    (void)state;
    end_in_the_middle(LONG_ENOUGH);
}

static void the_program_ends_at_once_in_the_middle_of_any_change(void **state)
{
    (void)state;
    end_in_the_middle(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_come_and_go_under_those_who_use_them),
        cmocka_unit_test(the_api_listens_when_the_first_stream_wants_it),
        cmocka_unit_test(the_program_ends_in_the_middle_of_any_change),
        cmocka_unit_test(the_program_ends_at_once_in_the_middle_of_any_change),
    };

    return cmocka_run_group_tests_name("engine_threads", tests, NULL, NULL);
}
