/* Several owners on one address: each gets what is its own, and nobody gets a request whose end is in doubt. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/log.h"
#include "pipeline/http/server/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Answers "NAME METHOD URL BODYBYTES". One that is slow waits at the end of the body. */
struct owner {
    const char *name;
    atomic_size_t body;
    atomic_int begun, over, ticks;
    bool slow;
    sem_t waits, let_go;
};

static enum MHD_Result say(struct http_exchange *x, unsigned status, const char *text)
{
    struct MHD_Response *re =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result rc;

    if (x->refused)
        MHD_add_response_header(re, "Connection", "close");
    rc = MHD_queue_response(x->connection, status, re);
    MHD_destroy_response(re);
    return rc;
}

static enum MHD_Result on_begin(struct http_exchange *x, const struct http_asked *asked)
{
    struct owner *o = x->ctx;

    (void)asked;
    x->own = o;
    atomic_store(&o->body, 0);
    atomic_fetch_add(&o->begun, 1);
    return MHD_YES;
}

static enum MHD_Result on_more(struct http_exchange *x, const struct http_asked *asked, struct slice piece)
{
    struct owner *o = x->ctx;
    char text[128];

    assert_ptr_equal(x->own, o);
    if (piece.n) {
        atomic_fetch_add(&o->body, piece.n);
        return MHD_YES;
    }
    if (o->slow) {
        sem_post(&o->waits);
        while (sem_wait(&o->let_go) < 0)
            ;
    }
    snprintf(text, sizeof(text), "%s %s %s %d", o->name, asked->method, asked->url, (int)atomic_load(&o->body));
    return say(x, 200, text);
}

static enum MHD_Result on_refuse(struct http_exchange *x, unsigned status, const char *why)
{
    const struct owner *o = x->ctx;
    char text[256];

    snprintf(text, sizeof(text), "%s refuses: %s", o->name, why);
    return say(x, status, text);
}

static void on_over(struct http_exchange *x)
{
    atomic_fetch_add(&((struct owner *)x->ctx)->over, 1);
}

static void on_tick(void *ctx, nsec mono_now)
{
    (void)mono_now;
    atomic_fetch_add(&((struct owner *)ctx)->ticks, 1);
}

static const struct http_route_ops OPS = {on_begin, on_more, on_refuse, on_over, on_tick};

static const struct http_server_conf CONF = {.name = "test",
                                             .listen = "127.0.0.1:0",
                                             .threads = 2,
                                             .connections = 8,
                                             .first = 20 * NSEC_PER_SEC,
                                             .request = 20 * NSEC_PER_SEC,
                                             .next = 20 * NSEC_PER_SEC,
                                             .silent = 20 * NSEC_PER_SEC};

static struct http_server *open_server(void)
{
    struct http_server *s = NULL;
    struct err e;

    log_set_level(LOG_ERROR);
    if (http_server_open(&s, &CONF, &e) < 0)
        fail_msg("%s", e.msg);
    return s;
}

static struct http_route *route(struct http_server *s, struct owner *o, const char *method, const char *path)
{
    struct http_route *r = NULL;
    struct err e;

    if (http_server_route(s, &(struct http_route_conf){o->name, method, path, &OPS, o}, &r, &e) < 0)
        fail_msg("%s", e.msg);
    return r;
}

static void start(struct http_server *s)
{
    struct err e;

    if (http_server_start(s, &e) < 0)
        fail_msg("%s", e.msg);
}

static int dial(const struct http_server *s)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sa.sin_port = htons((uint16_t)atoi(strrchr(http_server_socket(s)->address, ':') + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

/* Up to the end of the connection; "STATUS BODY". */
static const char *read_answer(int fd)
{
    static char text[4096], answer[4200];
    size_t n = 0;
    ssize_t got;
    const char *body;

    while ((got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)got;
    close(fd);
    text[n] = '\0';
    body = strstr(text, "\r\n\r\n");
    snprintf(answer, sizeof(answer), "%.3s %s", n > 12 ? text + 9 : "---", body ? body + 4 : "");
    return answer;
}

static const char *ask_raw(const struct http_server *s, const char *request)
{
    int fd = dial(s);

    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    return read_answer(fd);
}

static const char *ask(const struct http_server *s, const char *method, const char *path, const char *body)
{
    char request[1024];

    snprintf(request, sizeof(request),
             "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", method, path,
             strlen(body), body);
    return ask_raw(s, request);
}

static void the_longest_path_answers(void **state)
{
    struct owner all = {.name = "all"}, sns = {.name = "sns"}, app = {.name = "app"}, post = {.name = "post"};
    struct http_server *s = open_server();

    (void)state;
    route(s, &all, NULL, "/");
    route(s, &sns, NULL, "/sns/");
    route(s, &app, NULL, "/sns/app");
    route(s, &post, "POST", "/sns/app");
    start(s);
    assert_string_equal(ask(s, "GET", "/", ""), "200 all GET / 0");
    assert_string_equal(ask(s, "POST", "/sns", "12345"), "200 all POST /sns 5");
    assert_string_equal(ask(s, "GET", "/sns/", ""), "200 sns GET /sns/ 0");
    assert_string_equal(ask(s, "GET", "/sns/ap", ""), "200 sns GET /sns/ap 0");
    assert_string_equal(ask(s, "GET", "/sns/app", ""), "200 app GET /sns/app 0");
    assert_string_equal(ask(s, "POST", "/sns/app", "1"), "200 post POST /sns/app 1");
    assert_string_equal(ask(s, "POST", "/sns/app/", "1"), "200 sns POST /sns/app/ 1");
    http_server_stop(s);
    assert_int_equal(atomic_load(&all.begun) + atomic_load(&sns.begun), 5);
    assert_int_equal(atomic_load(&all.over) + atomic_load(&sns.over), 5);
    http_server_close(&s);
    assert_null(s);
}

static void what_nobody_owns_is_not_found(void **state)
{
    struct owner a = {.name = "a"};
    struct http_server *s = open_server();

    (void)state;
    route(s, &a, "POST", "/a");
    start(s);
    assert_string_equal(ask(s, "GET", "/a", ""), "404 nothing is here\n");
    assert_string_equal(ask(s, "POST", "/b", "some"), "404 nothing is here\n");
    assert_string_equal(ask(s, "POST", "/a", ""), "200 a POST /a 0");
    http_server_close(&s);
}

static void a_head_in_doubt_is_refused_in_the_owners_words(void **state)
{
    struct owner a = {.name = "a"}, b = {.name = "b"};
    struct http_server *s = open_server();

    (void)state;
    route(s, &a, NULL, "/a");
    route(s, &b, NULL, "/");
    start(s);
    assert_int_equal(
        strncmp(ask_raw(s, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
                "400 a refuses: ", 15),
        0);
    assert_int_equal(
        strncmp(ask_raw(s, "GET /x HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                "400 b refuses: ", 15),
        0);
    http_server_stop(s);
    assert_int_equal(atomic_load(&a.begun) + atomic_load(&b.begun), 0);
    assert_int_equal(atomic_load(&a.over) + atomic_load(&b.over), 2);
    http_server_close(&s);
}

static void a_path_belongs_to_one(void **state)
{
    struct owner a = {.name = "a"}, b = {.name = "b"};
    struct http_server *s = open_server();
    struct err e;

    (void)state;
    route(s, &a, NULL, "/x");
    route(s, &a, "POST", "/x");
    assert_int_equal(http_server_route(s, &(struct http_route_conf){"b", "POST", "/x", &OPS, &b}, NULL, &e), -1);
    assert_non_null(strstr(e.msg, "b: the path /x on 127.0.0.1:"));
    assert_non_null(strstr(e.msg, "that of a"));
    assert_int_equal(http_server_route(s, &(struct http_route_conf){"b", NULL, "/x", &OPS, &b}, NULL, &e), -1);
    http_server_close(&s);
}

static void one_owner_can_leave_while_the_others_answer(void **state)
{
    struct owner a = {.name = "a", .slow = true}, b = {.name = "b"};
    struct http_server *s = open_server();
    struct http_route *r = route(s, &a, NULL, "/a");
    const char request[] = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    int fd;

    (void)state;
    sem_init(&a.waits, 0, 0);
    sem_init(&a.let_go, 0, 0);
    route(s, &b, NULL, "/b");
    start(s);
    fd = dial(s);
    assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
    assert_int_equal(sem_wait(&a.waits), 0);
    http_route_shut(r);
    assert_false(http_route_idle(r, clock_mono()));
    sem_post(&a.let_go);
    assert_true(http_route_idle(r, NSEC_NEVER));
    assert_string_equal(read_answer(fd), "200 a GET /a 0");
    assert_int_equal(strncmp(ask(s, "GET", "/a", ""), "503 a refuses: ", 15), 0);
    assert_true(http_route_idle(r, NSEC_NEVER));
    assert_string_equal(ask(s, "GET", "/b", ""), "200 b GET /b 0");
    http_server_close(&s);
}

static void servers_are_shared_by_their_address(void **state)
{
    struct http_servers all = {.count = 0};
    struct http_server *first = NULL, *second = NULL, *third = NULL;
    struct http_server_conf conf = CONF;
    struct owner a = {.name = "a"}, b = {.name = "b"};
    char at[64];
    struct err e;

    (void)state;
    log_set_level(LOG_ERROR);
    assert_int_equal(http_servers_at(&all, &conf, &first, &e), 0);
    snprintf(at, sizeof(at), "127.0.0.1:%s", strrchr(http_server_socket(first)->address, ':') + 1);
    assert_int_equal(http_servers_at(&all, &conf, &second, &e), 0); /* port 0 is a new one each time */
    assert_ptr_not_equal(first, second);
    http_server_close(&first);
    all.at[0] = all.at[1];
    all.count = 1;
    conf.listen = at;
    assert_int_equal(http_servers_at(&all, &conf, &first, &e), 0);
    assert_int_equal(http_servers_at(&all, &conf, &third, &e), 0);
    assert_ptr_equal(first, third);
    assert_int_equal(all.count, 2);
    route(first, &a, NULL, "/a");
    route(third, &b, NULL, "/b");
    assert_int_equal(http_servers_start(&all, &e), 0);
    assert_int_equal(http_servers_start(&all, &e), 0);
    assert_string_equal(ask(first, "GET", "/a", ""), "200 a GET /a 0");
    assert_string_equal(ask(first, "GET", "/b", ""), "200 b GET /b 0");
    conf.listen = "nowhere";
    assert_int_equal(http_servers_at(&all, &conf, &third, &e), -1);
    http_servers_stop(&all);
    http_servers_stop(&all);
    http_servers_close(&all);
    assert_int_equal(all.count, 0);
}

/* One that comes while the server runs, and one that goes: with a client that has sent half of a body. */
static void a_path_comes_and_goes(void **state)
{
    struct http_servers all = {.count = 0};
    const char half[] = "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf";
    struct owner a = {.name = "a"}, b = {.name = "b"};
    struct http_server_conf conf = CONF;
    struct http_route *ra, *rb, *rest;
    struct http_server *s;
    struct err e;
    int fd;

    (void)state;
    log_set_level(LOG_ERROR);
    assert_int_equal(http_servers_at(&all, &conf, &s, &e), 0);
    ra = route(s, &a, NULL, "/a");
    assert_int_equal(http_servers_start(&all, &e), 0);
    assert_int_equal(strncmp(ask(s, "GET", "/b", ""), "404", 3), 0);
    rb = route(s, &b, NULL, "/b");
    assert_string_equal(ask(s, "GET", "/b", ""), "200 b GET /b 0");
    fd = dial(s);
    assert_int_equal(write(fd, half, sizeof(half) - 1), sizeof(half) - 1);
    while (atomic_load(&b.begun) < 2)
        sched_yield();
    http_servers_leave(&all, &rb);
    assert_null(rb);
    assert_int_equal(atomic_load(&b.over), 2);
    close(fd);
    assert_int_equal(strncmp(ask(s, "GET", "/b", ""), "503 ", 4), 0); /* it may come back */
    assert_int_equal(strncmp(ask(s, "GET", "/b/c", ""), "404", 3), 0);
    assert_string_equal(ask(s, "GET", "/a", ""), "200 a GET /a 0");
    rest = route(s, &a, NULL, "/"); /* who has all the rest does not answer for it */
    assert_int_equal(strncmp(ask(s, "POST", "/b", "x"), "503 ", 4), 0);
    assert_string_equal(ask(s, "GET", "/b/c", ""), "200 a GET /b/c 0");
    rb = route(s, &b, NULL, "/b");
    assert_string_equal(ask(s, "GET", "/b", ""), "200 b GET /b 0");
    http_servers_leave(&all, &rest);
    http_servers_leave(&all, &rb);
    rb = route(s, &b, NULL, "/b");
    http_servers_leave(&all, &ra);
    assert_int_equal(all.count, 1);
    http_servers_leave(&all, &rb);
    assert_int_equal(all.count, 0); /* the last one has closed it */
    http_servers_leave(&all, &rb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_path_answers),
        cmocka_unit_test(what_nobody_owns_is_not_found),
        cmocka_unit_test(a_head_in_doubt_is_refused_in_the_owners_words),
        cmocka_unit_test(a_path_belongs_to_one),
        cmocka_unit_test(one_owner_can_leave_while_the_others_answer),
        cmocka_unit_test(servers_are_shared_by_their_address),
        cmocka_unit_test(a_path_comes_and_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
