/* The way out of the real server on a real spool: what has begun, what is taken and what is refused, step by step. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/api/server.h"
#include "pipeline/inputs/health.h"
#include "pipeline/base/io.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BEGUN    "{\"DeliveryStreamName\""
#define REST     ":\"app\",\"Record\":{\"Data\":\"eA==\"}}"
#define BODY     BEGUN REST
#define BAD_BODY "{\"DeliveryStreamName\":\"app\",\"Record\":{\"Data\":\"e!==\"}}" /* as long */

static struct committer *committer;
static struct spool *spool;
static struct budget budget;
static struct metrics metrics;
static struct api *api;
static struct http_servers servers;
static struct pushback held;
static struct input_health health;
static struct io_ops disk;
static char dir[64];
static char region[] = "us-east-1", account[] = "000000000000", listen_on[] = "127.0.0.1:0";
static const struct api_conf conf = {.listen = listen_on,
                                     .region = region,
                                     .account = account,
                                     .connections = 16,
                                     .timeout = 60 * NSEC_PER_SEC,
                                     .threads = 2};

/* --- a disk that does not answer ------------------------------------------------------------------------------- */

static pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t disk_news = PTHREAD_COND_INITIALIZER;
static bool stuck;
static unsigned waiting;

static void disk_stuck(bool so)
{
    pthread_mutex_lock(&disk_lock);
    stuck = so;
    pthread_cond_broadcast(&disk_news);
    pthread_mutex_unlock(&disk_lock);
}

static void disk_wait_stuck(void)
{
    pthread_mutex_lock(&disk_lock);
    while (waiting == 0)
        pthread_cond_wait(&disk_news, &disk_lock);
    pthread_mutex_unlock(&disk_lock);
}

static int slow_sync(int fd)
{
    pthread_mutex_lock(&disk_lock);
    while (stuck) {
        waiting++;
        pthread_cond_broadcast(&disk_news);
        pthread_cond_wait(&disk_news, &disk_lock);
        waiting--;
    }
    pthread_mutex_unlock(&disk_lock);
    return io_ops_real.fdatasync(fd);
}

/* --------------------------------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void add_stream(void)
{
    struct api_stream stream = {
        .name = "app", .spool = spool, .metrics = &metrics, .health = &health, .pushback = &held};

    api_add_stream(api, &stream);
}

static int setup(void **state)
{
    struct spool_conf sc = {.stream = "app", .limit = 16 * MIB, .files = &disk};
    struct spool_recovery found;
    struct err e = {.msg = ""};

    (void)state;
    log_set_level(LOG_ERROR);
    disk = io_ops_real;
    disk.fdatasync = slow_sync;
    pushback_init(&held, NULL, NULL);
    input_health_init(&health, "api", 0);
    snprintf(dir, sizeof(dir), "/tmp/api-server-XXXXXX");
    assert_non_null(mkdtemp(dir));
    sc.dir = dir;
    memset(&metrics, 0, sizeof(metrics));
    budget_init(&budget, 16 * MIB);
    if (committer_start(&committer, &e) < 0 || spool_open(&spool, &sc, committer, &found, &e) < 0)
        fail_msg("%s", e.msg);
    if (api_open(&api, &conf, "/", &servers, &budget, &e) < 0 || http_servers_start(&servers, &e) < 0)
        fail_msg("%s", e.msg);
    add_stream();
    api_start(api);
    return 0;
}

static void stop_all(void)
{
    api_stop(api);
    api_end(api);
    http_servers_stop(&servers);
}

static int teardown(void **state)
{
    (void)state;
    if (api)
        stop_all();
    api_close(&api);
    http_servers_close(&servers);
    committer_stop(&committer);
    spool_close(&spool);
    pushback_release(&held);
    input_health_release(&health);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(budget.used, 0);
    return 0;
}

static uint64_t incoming(void)
{
    struct spool_books b;

    spool_books(spool_reader(spool, 0), &b);
    return b.incoming;
}

static int dial(void)
{
    const char *port = strrchr(api_address(api), ':') + 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((in_port_t)strtoul(port, NULL, 10))};
    struct timeval timeout = {.tv_sec = 30};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until `text` has come; false: the connection has ended before. */
static bool hears(int fd, const char *text)
{
    char got[4096] = "";
    size_t n = 0;

    while (!strstr(got, text)) {
        ssize_t more = recv(fd, got + n, sizeof(got) - 1 - n, 0);

        if (more <= 0)
            return false;
        n += (size_t)more;
        got[n] = '\0';
    }
    return true;
}

/* The server has seen the headers: it says so. */
static int begin_put(void)
{
    char head[512];
    int fd = dial();

    snprintf(head, sizeof(head),
             "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: Firehose_20150804.PutRecord\r\nExpect: "
             "100-continue\r\nContent-Length: %zu\r\n\r\n",
             strlen(BODY));
    say(fd, head);
    assert_true(hears(fd, "100 Continue"));
    return fd;
}

static void a_body_that_ends_behind_the_gate_is_refused_and_nothing_of_it_is_kept(void **state)
{
    int fd = begin_put();

    (void)state;
    say(fd, BEGUN);
    api_stop(api); /* waits some seconds for it */
    say(fd, REST);
    assert_true(hears(fd, "The server is stopping."));
    assert_int_equal(incoming(), 0);
    close(fd);
}

/* Where the committer was freed before the server was stopped, this body reached it. */
static void no_body_reaches_the_committer_once_the_server_has_ended(void **state)
{
    int fd = begin_put();

    (void)state;
    api_stop(api);
    api_end(api);
    committer_stop(&committer);
    (void)send(fd, BODY, strlen(BODY), MSG_NOSIGNAL);
    assert_false(hears(fd, "RecordId"));
    assert_int_equal(incoming(), 0);
    close(fd);
}

static void a_put_that_waits_for_the_disk_for_long_is_held_back(void **state)
{
    int fd;
    nsec now = clock_mono();

    (void)state;
    disk_stuck(true);
    fd = begin_put();
    say(fd, BODY);
    disk_wait_stuck();
    api_request_ops.tick(api, now);
    assert_false(pushback_view(&held, now).blocked);
    now = clock_mono() + PUSHBACK_TIMEOUT;
    api_request_ops.tick(api, now);
    assert_true(pushback_view(&held, now).blocked);
    assert_int_equal(pushback_view(&held, now).why, PUSHBACK_DISK);
    disk_stuck(false);
    assert_true(hears(fd, "RecordId"));
    api_request_ops.tick(api, now + 2 * PUSHBACK_TIMEOUT);
    assert_int_equal(pushback_view(&held, now).count, 1);
    close(fd);
}

static void *stop(void *arg)
{
    (void)arg;
    api_stop(api);
    return NULL;
}

static bool is_refused_new(void)
{
    int fd = dial();
    bool refused;

    say(fd, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: Firehose_20150804.ListDeliveryStreams\r\n"
            "Content-Length: 2\r\n\r\n{}");
    refused = hears(fd, "The server is stopping.");
    close(fd);
    return refused;
}

static void what_has_begun_when_it_stops_is_still_taken_for_a_moment(void **state)
{
    int fd = begin_put();
    pthread_t stopping;

    (void)state;
    assert_int_equal(pthread_create(&stopping, NULL, stop, NULL), 0);
    say(fd, BODY);
    assert_true(hears(fd, "RecordId"));
    pthread_join(stopping, NULL);
    assert_int_equal(incoming(), 1);
    assert_true(is_refused_new());
    close(fd);
}

static void many_that_end_at_any_moment_are_taken_or_refused(void **state)
{
    int fds[12];
    pthread_t stopping;
    unsigned taken = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = begin_put();
    assert_int_equal(pthread_create(&stopping, NULL, stop, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(fds) / 2; i++)
        say(fds[i], BODY);
    for (size_t i = 0; i < ARRAY_LEN(fds) / 2; i++)
        taken += hears(fds[i], "RecordId");
    pthread_join(stopping, NULL); /* has not waited for the others for ever */
    for (size_t i = ARRAY_LEN(fds) / 2; i < ARRAY_LEN(fds); i++) {
        say(fds[i], BODY);
        assert_true(hears(fds[i], "The server is stopping."));
    }
    assert_int_equal(incoming(), taken);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
}

static uint64_t errors_of_the_input(void)
{
    struct input_health_view v;
    uint64_t n;

    input_health_view(&health, clock_wall(), clock_mono(), &v);
    n = v.counts[INPUT_ERRORS];
    assert_int_equal(v.error_ago >= 0, n > 0);
    input_health_view_release(&v);
    return n;
}

/* There is room for its body, and no more for what is made of it. */
static void a_put_for_which_there_is_no_memory_is_no_error_of_the_input(void **state)
{
    int fd = begin_put();
    size_t rest = budget.limit - atomic_load(&budget.used);

    (void)state;
    assert_true(budget_take(&budget, rest));
    say(fd, BODY);
    assert_true(hears(fd, "Slow down."));
    close(fd);
    budget_give(&budget, rest);
    assert_true(api_memory_pushback(api, clock_mono()).blocked);
    assert_int_equal(errors_of_the_input(), 0);
    fd = begin_put();
    say(fd, BAD_BODY);
    assert_true(hears(fd, "Exception"));
    close(fd);
    assert_int_equal(errors_of_the_input(), 1);
}

/* --- a stream that goes --------------------------------------------------------------------------------------------- */

static void put_and_expect(const char *want)
{
    int fd = begin_put();

    say(fd, BODY);
    if (!hears(fd, want))
        fail_msg("no answer with %s", want);
    close(fd);
}

static void a_stream_that_is_closed_keeps_its_clients_waiting_and_is_not_found_once_it_is_gone(void **state)
{
    (void)state;
    put_and_expect("RecordId");
    assert_true(api_close_stream(api, "app", NSEC_NEVER));
    put_and_expect("ServiceUnavailableException");
    assert_true(api_close_stream(api, "app", NSEC_NEVER));
    assert_true(api_close_stream(api, "nosuch", NSEC_NEVER));
    api_remove_stream(api, "app");
    put_and_expect("ResourceNotFoundException");
    api_remove_stream(api, "app");
    assert_true(api_close_stream(api, "app", NSEC_NEVER));
    assert_int_equal(incoming(), 1);
    assert_false(api_memory_pushback(api, clock_mono()).blocked); /* memory was not the reason */
    add_stream();
    put_and_expect("RecordId");
    assert_int_equal(incoming(), 2);
}

static void *remove_app(void *arg)
{
    (void)arg;
    api_remove_stream(api, "app");
    return NULL;
}

static void a_put_that_waits_for_the_disk_keeps_its_stream(void **state)
{
    pthread_t removing;
    int fd;

    (void)state;
    disk_stuck(true);
    fd = begin_put();
    say(fd, BODY);
    disk_wait_stuck();
    assert_false(api_close_stream(api, "app", clock_mono()));
    assert_int_equal(pthread_create(&removing, NULL, remove_app, NULL), 0);
    api_request_ops.tick(api, clock_mono() + PUSHBACK_TIMEOUT); /* its pushback is there */
    disk_stuck(false);
    assert_true(hears(fd, "RecordId")); /* and its client is answered */
    pthread_join(removing, NULL);
    put_and_expect("ResourceNotFoundException");
    close(fd);
}

/* --- who is let in -------------------------------------------------------------------------------------------------- */

static void ask_and_expect(const char *authorization, const char *want)
{
    char head[512];
    int fd = dial();

    snprintf(head, sizeof(head),
             "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: Firehose_20150804.ListDeliveryStreams\r\n%s%s%s"
             "Content-Length: 2\r\n\r\n{}",
             authorization ? "Authorization: " : "", authorization ? authorization : "", authorization ? "\r\n" : "");
    say(fd, head);
    if (!hears(fd, want))
        fail_msg("%s: no answer with %s", authorization, want);
    close(fd);
}

/* How signatures are judged is test_api_auth.c's: here, who is judged by them. */
static void one_of_what_is_configured_is_enough(void **state)
{
    static struct api_credential key = {(char *)"AKID", (char *)"secret"};
    static char *token[] = {(char *)"0123456789abcdef"}, *user[] = {(char *)"ann:password"};
    static const char BEARER[] = "Bearer 0123456789abcdef", BASIC[] = "Basic YW5uOnBhc3N3b3Jk";
    static const char SIGNED[] = "AWS4-HMAC-SHA256 Credential=AKID";
    static const char IN[] = "DeliveryStreamNames", MISSING[] = "MissingAuthenticationTokenException",
                      WRONG[] = "UnrecognizedClientException", SIGNATURE[] = "IncompleteSignature";
    static const struct {
        bool key, token, user;
        const char *shown, *want;
    } cases[] = {
        {.shown = NULL, .want = IN},
        {.shown = BEARER, .want = IN},
        {.key = true, .shown = NULL, .want = MISSING},
        {.key = true, .shown = BEARER, .want = SIGNATURE},
        {.key = true, .shown = SIGNED, .want = SIGNATURE},
        {.token = true, .shown = NULL, .want = MISSING},
        {.token = true, .shown = "Bearer 0123456789abcdeX", .want = WRONG},
        {.token = true, .shown = SIGNED, .want = WRONG},
        {.token = true, .shown = BASIC, .want = WRONG},
        {.token = true, .shown = BEARER, .want = IN},
        {.user = true, .shown = BEARER, .want = WRONG},
        {.user = true, .shown = BASIC, .want = IN},
        {.key = true, .token = true, .shown = NULL, .want = MISSING},
        {.key = true, .token = true, .shown = SIGNED, .want = SIGNATURE},
        {.key = true, .token = true, .shown = BASIC, .want = WRONG},
        {.key = true, .token = true, .shown = BEARER, .want = IN},
        {.key = true, .token = true, .user = true, .shown = BASIC, .want = IN},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct api_conf now = conf;

        now.credentials = &key;
        now.credential_count = cases[i].key;
        now.access.tokens = (struct cfg_strings){token, cases[i].token};
        now.access.users = (struct cfg_strings){user, cases[i].user};
        api_set_keys(api, &now);
        ask_and_expect(cases[i].shown, cases[i].want);
    }
}

/* Another's server does not run yet, as while a program starts that cannot go on. */
static void an_api_that_leaves_takes_nothing_of_others_with_it(void **state)
{
    const struct http_server_conf other = {.name = "other", .listen = "127.0.0.1:0"};
    const struct http_route_conf path = {"other", NULL, "/", &api_request_ops, NULL};
    struct http_servers all = {.count = 0};
    struct http_server *s = NULL;
    struct http_route *r = NULL;
    struct api *a = NULL;
    struct err e;

    (void)state;
    log_set_level(LOG_ERROR);
    budget_init(&budget, 16 * MIB);
    assert_int_equal(http_servers_at(&all, &other, &s, &e), 0);
    assert_int_equal(http_server_route(s, &path, &r, &e), 0);
    assert_int_equal(api_open(&a, &conf, "/", &all, &budget, &e), 0);
    assert_int_equal(all.count, 2);
    api_leave(a, &all);
    api_close(&a);
    assert_int_equal(all.count, 1);
    assert_ptr_equal(all.at[0], s);
    http_servers_leave(&all, &r);
    assert_int_equal(all.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_body_that_ends_behind_the_gate_is_refused_and_nothing_of_it_is_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(no_body_reaches_the_committer_once_the_server_has_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(a_put_that_waits_for_the_disk_for_long_is_held_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_put_for_which_there_is_no_memory_is_no_error_of_the_input, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_begun_when_it_stops_is_still_taken_for_a_moment, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_stream_that_is_closed_keeps_its_clients_waiting_and_is_not_found_once_it_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_put_that_waits_for_the_disk_keeps_its_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(one_of_what_is_configured_is_enough, setup, teardown),
        cmocka_unit_test_setup_teardown(many_that_end_at_any_moment_are_taken_or_refused, setup, teardown),
        cmocka_unit_test(an_api_that_leaves_takes_nothing_of_others_with_it),
    };

    return cmocka_run_group_tests_name("api_server", tests, NULL, NULL);
}
