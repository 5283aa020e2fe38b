/* Streams that share listeners come and go by reload, in any order, the first of them too: whoever is configured is served, whoever is not is not,
 * a reload that fails leaves all as it was, and an end in the middle ends. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/reload.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a stream has; 0: it is not there. A place is the same, whether it is written as 127.0.0.1 or as localhost. */
enum { API = 1, HTTP = 2, SOCKET = 4, WITH_API = 8, KINDS = 16 }; /* WITH_API: an input of HTTP where the API listens */
enum { PORTS = 3, PORTS_FIRST = 10000, PORTS_COUNT = 9000, ROUNDS = 60 };

static char dir[] = "/tmp/listening-XXXXXX";
static char path[sizeof(dir) + 16];
static unsigned port[PORTS]; /* of each kind, in their order */
static struct settings *started;
static struct engine *engine;
static struct reload *reload;
static struct buf said;

/* --- what is configured --- */

/* Nobody listens there, and nobody is given one: they are below those that the kernel hands out, of which another test may get ours. */
static void find_ports(void)
{
    static unsigned next;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    if (next == 0)
        next = (unsigned)getpid() * 16;
    for (size_t i = 0; i < PORTS;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        port[i] = PORTS_FIRST + next++ % PORTS_COUNT;
        at.sin_port = htons((in_port_t)port[i]);
        if (bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
            i++;
        close(fd);
    }
}

static void add_stream(FILE *f, const char *name, unsigned has)
{
    const char *between = "";

    if (!has)
        return;
    fprintf(f, "  %s:\n    destination: { file: { path: ./%s } }\n    inputs: [", name, name);
    if (has & HTTP) {
        fprintf(f, "%shttp: { listen: '%s:%u', path: /%s }", between, *name == 'a' ? "127.0.0.1" : "localhost", port[1],
                name);
        between = ", ";
    }
    if (has & WITH_API) {
        fprintf(f, "%shttp: { listen: '127.0.0.1:%u', path: /with-%s }", between, port[0], name);
        between = ", ";
    }
    if (has & API) { /* not always the first in the file */
        fprintf(f, "%sapi", between);
        between = ", ";
    }
    if (has & SOCKET)
        fprintf(f, "%ssyslog: { listen: 'tcp://%s:%u', match: { hosts: [%s] } }", between,
                *name == 'a' ? "localhost" : "127.0.0.1", port[2], name);
    fprintf(f, "]\n");
}

/* `bad`: there is one more, that cannot begin. */
static void configure(unsigned a, unsigned b, bool bad)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fprintf(f,
            "admin: { listen: none }\nshutdown: { grace: 100ms }\napi: { listen: 'localhost:%u' }\nstreams:\n"
            "  always: { inputs: [{ tail: { paths: [none.log] } }], destination: { file: { path: ./x } } }\n",
            port[0]);
    add_stream(f, "a", a);
    add_stream(f, "b", b);
    if (bad)
        fprintf(f, "  z: { inputs: [{ http: { listen: '192.0.2.1:1', auth: none } }], destination: { file: { path: ./z "
                   "} } }\n");
    assert_int_equal(fclose(f), 0);
}

/* --- who is served --- */

static int dial(unsigned at)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((in_port_t)at), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* False: nobody listens there. */
static bool ask(unsigned at, const char *head, const char *body, char *answer, size_t size)
{
    char text[512];
    size_t n = 0;
    ssize_t more;
    int fd = dial(at), length;

    if (fd < 0)
        return false;
    length =
        snprintf(text, sizeof(text), "POST %s\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                 head, strlen(body), body);
    assert_int_equal(send(fd, text, (size_t)length, MSG_NOSIGNAL), length);
    while ((more = recv(fd, answer + n, size - 1 - n, 0)) > 0)
        n += (size_t)more;
    answer[n] = '\0';
    close(fd);
    return true;
}

static bool is_served_by_api(const char *name)
{
    char body[128], answer[2048];

    snprintf(body, sizeof(body), "{\"DeliveryStreamName\":\"%s\",\"Record\":{\"Data\":\"eA==\"}}", name);
    return ask(port[0], "/ HTTP/1.1\r\nX-Amz-Target: Firehose_20150804.PutRecord", body, answer, sizeof(answer)) &&
           strstr(answer, "RecordId");
}

static bool is_served_by_http(unsigned at, const char *beneath, const char *name)
{
    char head[64], answer[2048];

    snprintf(head, sizeof(head), "/%s%s HTTP/1.1", beneath, name);
    return ask(at, head, "x", answer, sizeof(answer)) && strstr(answer, "HTTP/1.1 200");
}

static void expect_served(const char *name, unsigned has)
{
    if (is_served_by_api(name) != ((has & API) != 0))
        fail_msg("the API and stream %s, which has %u: %s", name, has, buf_cstr(&said));
    if (is_served_by_http(port[0], "with-", name) != ((has & WITH_API) != 0))
        fail_msg("the API's address and stream %s, which has %u: %s", name, has, buf_cstr(&said));
    if (is_served_by_http(port[1], "", name) != ((has & HTTP) != 0))
        fail_msg("HTTP and stream %s, which has %u: %s", name, has, buf_cstr(&said));
}

/* An address of HTTP goes with the last of its inputs, the API's stays, and one of sockets waits for a while. */
static void expect_all(unsigned a, unsigned b)
{
    int http = dial(port[1]), sockets = dial(port[2]);

    expect_served("a", a);
    expect_served("b", b);
    assert_int_equal(http >= 0, ((a | b) & HTTP) != 0);
    if ((a | b) & SOCKET)
        assert_true(sockets >= 0);
    if (http >= 0)
        close(http);
    if (sockets >= 0)
        close(sockets);
}

/* --- the rig --- */

static int begin(void **state)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct reload_conf conf = {.begins = NULL};
    struct err e;

    (void)state;
    log_set_level(getenv("RIG_LOG") ? LOG_DEBUG : LOG_ERROR);
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/c.yaml", dir);
    find_ports();
    configure(0, 0, false);
    buf_init(&said, MIB);
    started = settings_load(path, &SETTINGS_ALL, errs);
    cfg_errors_print(errs, &said);
    if (!started)
        fail_msg("%s", buf_cstr(&said));
    cfg_errors_free(&errs);
    if (engine_start(&engine, started, false, &e) < 0)
        fail_msg("%s", e.msg);
    conf.settings = started;
    conf.engine = engine;
    reload = reload_new(&conf);
    return 0;
}

static int drop_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(name);
}

static int end(void **state)
{
    (void)state;
    engine_stop(&engine);
    reload_free(&reload);
    settings_free(&started);
    buf_release(&said);
    return nftw(dir, drop_one, 16, FTW_DEPTH | FTW_PHYS);
}

static enum reload_result load(unsigned a, unsigned b, bool bad)
{
    configure(a, b, bad);
    buf_clear(&said);
    return reload_now(reload, "test", false, &said);
}

static void goes_to(unsigned a, unsigned b)
{
    if (load(a, b, false) != RELOAD_DONE)
        fail_msg("%u %u: %s", a, b, buf_cstr(&said));
    expect_all(a, b);
}

/* --------------------------------------------------------------------------------------------------------------- */

static void the_first_may_leave_first_or_last(void **state)
{
    (void)state;
    for (unsigned kind = API; kind < KINDS; kind *= 2) {
        goes_to(kind, 0);
        goes_to(kind, kind);
        goes_to(0, kind);
        goes_to(0, 0);
        goes_to(kind, 0);
        goes_to(kind, kind);
        goes_to(kind, 0);
        goes_to(0, 0);
        goes_to(kind, kind); /* both at once, and away at once */
        goes_to(0, 0);
    }
}

static void a_stream_keeps_the_name_at_its_listener_while_its_other_inputs_are_replaced(void **state)
{
    (void)state;
    goes_to(API | HTTP | SOCKET, 0);
    goes_to(API, 0);
    goes_to(API | SOCKET, HTTP);
    goes_to(HTTP, API);
    goes_to(API, HTTP);
}

/* Its address was another's, and is shared from then on. */
static void the_api_may_come_to_where_an_input_listens(void **state)
{
    (void)state;
    goes_to(WITH_API, 0);
    goes_to(WITH_API, API);
    goes_to(WITH_API | API, 0);
    goes_to(0, API);
}

static void whatever_comes_and_goes_and_fails_in_between(void **state)
{
    unsigned seed = 20261128, a = 0, b = 0;

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned next_a, next_b;

        seed = seed * 1664525u + 1013904223u;
        next_a = (seed >> 16) % KINDS;
        next_b = (seed >> 22) % KINDS;
        if (seed >> 30 == 0) {
            assert_int_equal(load(next_a, next_b, true), RELOAD_FAILED);
            expect_all(a, b);
            continue;
        }
        goes_to(a = next_a, b = next_b);
    }
}

static void *reload_until_the_end(void *arg)
{
    unsigned *n = arg;

    while (load(*n % KINDS, (*n * 5 + 3) % KINDS, *n % 4 == 3) != RELOAD_STOPPED)
        (*n)++;
    return NULL;
}

/* Before, in the middle of, or behind a reload, wherever it is by then. */
static void an_end_in_the_middle_ends(void **state)
{
    for (unsigned round = 0; round < 5; round++) {
        unsigned n = round;
        pthread_t thread;

        if (round > 0)
            assert_int_equal(begin(state), 0);
        assert_int_equal(pthread_create(&thread, NULL, reload_until_the_end, &n), 0);
        for (unsigned i = 0; i < round * 4; i++)
            (void)is_served_by_api("a");
        (void)engine_drain(engine, NSEC_PER_SEC, -1);
        pthread_join(thread, NULL);
        if (round < 4)
            end(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_may_leave_first_or_last, begin, end),
        cmocka_unit_test_setup_teardown(a_stream_keeps_the_name_at_its_listener_while_its_other_inputs_are_replaced,
                                        begin, end),
        cmocka_unit_test_setup_teardown(the_api_may_come_to_where_an_input_listens, begin, end),
        cmocka_unit_test_setup_teardown(whatever_comes_and_goes_and_fails_in_between, begin, end),
        cmocka_unit_test_setup_teardown(an_end_in_the_middle_ends, begin, end),
    };

    return cmocka_run_group_tests_name("listening", tests, NULL, NULL);
}
