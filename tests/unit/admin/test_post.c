/* What is asked for by POST, over a socket: who may, what is answered, and that nothing waits for an action but who asked. */
#include "tests/support/cmocka.h"

#include "pipeline/admin/admin.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOKEN  "a token of the test"
#define FORM   "Content-Type: application/x-www-form-urlencoded\r\n"
#define BEARER "Authorization: Bearer " TOKEN "\r\n"

static atomic_int ran;
static char seen[64];
static sem_t begun, go_on;

static void do_it(void *ctx, const struct admin_order *o, struct admin_answer *a)
{
    (void)ctx;
    atomic_fetch_add(&ran, 1);
    snprintf(seen, sizeof(seen), "%s of %s", o->path, o->name);
    admin_answer_say(a, 200, "done \"%s\"", o->name);
}

static void fail_it(void *ctx, const struct admin_order *o, struct admin_answer *a)
{
    (void)ctx, (void)o;
    admin_answer_say(a, 409, "somebody else is at it");
}

static void take_long(void *ctx, const struct admin_order *o, struct admin_answer *a)
{
    (void)ctx, (void)o;
    sem_post(&begun);
    while (sem_wait(&go_on) < 0)
        ;
    admin_answer_say(a, 200, "at last");
}

static void do_at_once(void *ctx, const struct admin_order *o, struct admin_answer *a)
{
    (void)ctx, (void)o;
    admin_answer_say(a, 200, "now");
}

static const struct admin_action ACTIONS[] = {
    {.path = "/do", .run = do_it},
    {.path = "/api/streams/{stream}/do", .run = do_it},
    {.path = "/fail", .run = fail_it},
    {.path = "/long", .run = take_long},
    {.path = "/api/streams/{stream}/now", .run = do_at_once, .at_once = true},
};

static struct admin *admin;
static struct sockaddr_in at;

/* As a reload does. */
static void begin_at(const struct admin_conf *conf)
{
    char address[HTTP_ADDRESS_TEXT];
    struct err e;

    if (admin_prepare(admin, conf, &e) < 0)
        fail_msg("%s", e.msg);
    admin_take(admin);
    admin_address(admin, address);
    at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    at.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
}

static int setup(void **state)
{
    const struct admin_conf conf = {.listen = "127.0.0.1:0", .token = TOKEN};

    (void)state;
    log_set_level(LOG_ERROR);
    atomic_store(&ran, 0);
    sem_init(&begun, 0, 0);
    sem_init(&go_on, 0, 0);
    admin = admin_new(NULL, (struct admin_actions){ACTIONS, ARRAY_LEN(ACTIONS)});
    begin_at(&conf);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    admin_stop(&admin);
    sem_destroy(&begun);
    sem_destroy(&go_on);
    return 0;
}

static int send_one(const char *method, const char *path, const char *headers, const char *body)
{
    char head[1024];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), n;

    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    n = snprintf(head, sizeof(head),
                 "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n", method,
                 path, strlen(body), headers);
    assert_int_equal(send(fd, head, (size_t)n, MSG_NOSIGNAL), n);
    (void)!send(fd, body, strlen(body), MSG_NOSIGNAL); /* may be refused before */
    return fd;
}

static int send_post(const char *path, const char *headers, const char *body)
{
    return send_one("POST", path, headers, body);
}

static char answer[8192];

static int status_of(int fd)
{
    size_t n = 0;
    ssize_t got;

    while (n < sizeof(answer) - 1 && (got = recv(fd, answer + n, sizeof(answer) - 1 - n, 0)) > 0)
        n += (size_t)got;
    answer[n] = '\0';
    close(fd);
    return n > 12 ? atoi(answer + 9) : 0;
}

static int post(const char *path, const char *headers, const char *body)
{
    return status_of(send_post(path, headers, body));
}

static int get(const char *path, const char *headers)
{
    return status_of(send_one("GET", path, headers, ""));
}

static void who_shows_the_token_is_obeyed(void **state)
{
    (void)state;
    assert_int_equal(post("/do", BEARER, ""), 200);
    assert_string_equal(seen, "/do of ");
    assert_non_null(strstr(answer, "\r\n\r\ndone \"\"\n"));
    assert_int_equal(post("/api/streams/app/do", BEARER, ""), 200);
    assert_string_equal(seen, "/api/streams/app/do of app");
    assert_non_null(strstr(answer, "\r\n\r\n{\"message\":\"done \\\"app\\\"\"}\n"));
    assert_int_equal(atomic_load(&ran), 2);
    assert_int_equal(post("/fail", BEARER, ""), 409);
}

static void nobody_else_is(void **state)
{
    (void)state;
    assert_int_equal(post("/do", "", ""), 401);
    assert_non_null(strstr(answer, "WWW-Authenticate: Bearer"));
    assert_int_equal(post("/do", "Authorization: Bearer \r\n", ""), 401);
    assert_int_equal(post("/do", "Authorization: Bearer " TOKEN "x\r\n", ""), 401);
    assert_int_equal(post("/do", "Authorization: Basic " TOKEN "\r\n", ""), 401);
    assert_int_equal(post("/do?token=a+token+of+the+test", "", ""), 401);
    assert_int_equal(post("/do", "", "token=" TOKEN), 401);
    assert_int_equal(atomic_load(&ran), 0);
}

static void a_form_may_bring_it(void **state)
{
    (void)state;
    assert_int_equal(post("/api/streams/app/do", FORM, "x=1&token=a+token%20of+the+test&y=2"), 303);
    assert_non_null(strstr(answer, "Location: /streams/app\r\n"));
    assert_int_equal(post("/do", FORM, "token=" TOKEN), 303);
    assert_non_null(strstr(answer, "Location: /\r\n"));
    assert_int_equal(post("/do", FORM, "token=another"), 401);
    assert_int_equal(post("/do", FORM, ""), 401);
    assert_int_equal(post("/do", FORM, "tokens=" TOKEN), 401);
    assert_int_equal(atomic_load(&ran), 2);
}

static void pages_of_other_sites_are_refused(void **state)
{
    (void)state;
    assert_int_equal(post("/do", BEARER "Origin: http://evil.example\r\n", ""), 403);
    assert_int_equal(post("/do", BEARER "Origin: null\r\n", ""), 403);
    assert_int_equal(post("/do", BEARER "Sec-Fetch-Site: cross-site\r\n", ""), 403);
    assert_int_equal(post("/do", BEARER "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", ""), 403);
    assert_int_equal(atomic_load(&ran), 0);
    assert_int_equal(post("/do", BEARER "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n", ""), 200);
}

static void paths_and_methods(void **state)
{
    (void)state;
    assert_int_equal(post("/nothing", BEARER, ""), 404);
    assert_int_equal(post("/api/streams//do", BEARER, ""), 404);
    assert_int_equal(post("/api/streams/a/b/do", BEARER, ""), 404);
    assert_int_equal(post("/healthz", BEARER, ""), 405);
    assert_non_null(strstr(answer, "Allow: GET, HEAD\r\n"));
    assert_int_equal(atomic_load(&ran), 0);
}

static void a_body_is_bounded(void **state)
{
    static char body[2 * ADMIN_BODY_MAX];

    (void)state;
    memset(body, 'x', sizeof(body) - 1);
    assert_int_equal(post("/do", BEARER, body), 413);
    assert_int_equal(post("/do", FORM, body), 413);
    body[ADMIN_BODY_MAX] = '\0';
    assert_int_equal(post("/do", BEARER, body), 200);
    memcpy(body, "token=" TOKEN "&x=", strlen("token=" TOKEN "&x="));
    assert_int_equal(post("/do", FORM, body), 303); /* as large as it may be */
}

#define SHOWS(what) "Authorization: " what "\r\n"

/* What is not there is 404 for who may read. */
static void who_may_read_is_another_than_who_may_act(void **state)
{
    static char *tokens[] = {(char *)"one to read with"}, *users[] = {(char *)"ann:password"};
    const struct http_access_conf access = {.tokens = {tokens, 1}, .users = {users, 1}};
    const struct admin_conf closed = {.listen = "127.0.0.1:0", .token = TOKEN, .access = &access},
                            open = {.listen = "127.0.0.1:0", .token = TOKEN};
    static const struct {
        const char *shown;
        bool reads, acts;
    } cases[] = {
        {"", false, false},
        {SHOWS("Bearer one to read with"), true, false},
        {SHOWS("Basic YW5uOnBhc3N3b3Jk"), true, false},         /* ann:password */
        {SHOWS("Basic YTpvbmUgdG8gcmVhZCB3aXRo"), true, false}, /* a:one to read with */
        {BEARER, true, true},
        {SHOWS("Bearer another"), false, false},
        {SHOWS("Basic YW5uOndyb25n"), false, false},
        {SHOWS("Basic " TOKEN), false, false},
    };

    (void)state;
    assert_int_equal(get("/nothing", ""), 404);
    begin_at(&closed);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (get("/nothing", cases[i].shown) != (cases[i].reads ? 404 : 401) ||
            get("/do", cases[i].shown) != (cases[i].reads ? 405 : 401) ||
            post("/do", cases[i].shown, "") != (cases[i].acts ? 200 : 401) || get("/healthz", cases[i].shown) != 200)
            fail_msg("%s: %s", cases[i].shown, answer);
    }
    assert_int_equal(get("/metrics", ""), 401);
    assert_non_null(strstr(answer, "WWW-Authenticate: Basic realm=\"sluice\""));
    assert_int_equal(get("/", "Origin: http://evil.example\r\n" BEARER), 403);
    assert_int_equal(post("/do", FORM SHOWS("Basic YW5uOnBhc3N3b3Jk"), "token=" TOKEN), 303); /* a browser */
    assert_int_equal(post("/do", FORM SHOWS("Basic YW5uOnBhc3N3b3Jk"), "token=one+to+read+with"), 401);
    begin_at(&open);
    assert_int_equal(get("/nothing", ""), 404);
}

/* While one runs, pages are answered, and as many others wait as may; the next one is turned away at once. Those that wait for nothing do not wait
 * for these either. */
static void a_long_one_holds_up_nobody(void **state)
{
    struct pollfd others[ADMIN_ACTIONS_WAITING + 1];
    int first = send_post("/long", BEARER, ""), refused = 0;

    (void)state;
    while (sem_wait(&begun) < 0)
        ;
    assert_int_equal(post("/nothing", BEARER, ""), 404);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        others[i] = (struct pollfd){.fd = send_post("/do", BEARER, ""), .events = POLLIN};
    assert_true(poll(others, ARRAY_LEN(others), -1) > 0);
    assert_int_equal(post("/api/streams/app/now", "", ""), 401);
    assert_int_equal(post("/api/streams/app/now", BEARER, ""), 200);
    assert_non_null(strstr(answer, "\r\n\r\n{\"message\":\"now\"}\n"));
    assert_int_equal(post("/api/streams/app/now", FORM, "token=" TOKEN), 303);
    sem_post(&go_on);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        int status = status_of(others[i].fd);

        assert_true(status == 200 || status == 503);
        refused += status == 503;
    }
    assert_int_equal(refused, 1);
    assert_int_equal(status_of(first), 200);
    assert_non_null(strstr(answer, "at last"));
}

/* Who waits at the old address is answered there; nobody else is. */
static void another_address_takes_its_place(void **state)
{
    const struct admin_conf elsewhere = {.listen = "localhost:0", .token = "another token of it"};
    const struct sockaddr_in before = at;
    int first, fd;

    (void)state;
    first = send_post("/long", BEARER, "");
    while (sem_wait(&begun) < 0)
        ;
    begin_at(&elsewhere);
    assert_int_not_equal(at.sin_port, before.sin_port);
    sem_post(&go_on);
    assert_int_equal(status_of(first), 200);
    assert_non_null(strstr(answer, "at last"));
    assert_int_equal(post("/do", BEARER, ""), 401);
    assert_int_equal(post("/do", "Authorization: Bearer another token of it\r\n", ""), 200);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&before, sizeof(before)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
}

/* The port stays, whatever else is another; and so does one that the new address contains. */
static void the_same_port_is_handed_over(void **state)
{
    const struct admin_conf same = {.listen = "127.0.0.1:0", .token = "another token of it"};
    const in_port_t port = at.sin_port;
    char everywhere[32];
    struct admin_conf wide = {.listen = everywhere, .token = TOKEN};
    struct err e;

    (void)state;
    begin_at(&same);
    assert_int_equal(at.sin_port, port);
    assert_int_equal(post("/do", BEARER, ""), 401);
    snprintf(everywhere, sizeof(everywhere), "0.0.0.0:%u", ntohs(port));
    assert_int_equal(admin_prepare(admin, &wide, &e), 0);
    admin_drop(admin); /* nothing has changed */
    assert_int_equal(post("/do", BEARER, ""), 401);
    begin_at(&wide);
    assert_int_equal(at.sin_port, port);
    assert_int_equal(post("/do", BEARER, ""), 200);
}

static void nobody_is_answered_where_it_says_none(void **state)
{
    const struct admin_conf none = {.listen = NULL}, again = {.listen = "127.0.0.1:0", .token = TOKEN};
    char address[HTTP_ADDRESS_TEXT];
    struct err e;

    (void)state;
    assert_int_equal(admin_prepare(admin, &none, &e), 0);
    admin_take(admin);
    admin_address(admin, address);
    assert_string_equal(address, "none");
    begin_at(&again);
    assert_int_equal(post("/do", BEARER, ""), 200);
}

/* The one that runs is waited for, and its answer is given up; those behind it do not run. */
static void an_end_leaves_nobody_waiting(void **state)
{
    int first, second;

    (void)state;
    first = send_post("/long", BEARER, "");
    while (sem_wait(&begun) < 0)
        ;
    second = send_post("/do", BEARER, "");
    assert_int_equal(post("/nothing", BEARER, ""), 404); /* the server has those who came before, too */
    sem_post(&go_on);
    admin_stop(&admin);
    (void)status_of(first);
    (void)status_of(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_shows_the_token_is_obeyed, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_else_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_form_may_bring_it, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_of_other_sites_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(paths_and_methods, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(who_may_read_is_another_than_who_may_act, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_one_holds_up_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(another_address_takes_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_port_is_handed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_answered_where_it_says_none, setup, teardown),
        cmocka_unit_test_setup_teardown(an_end_leaves_nobody_waiting, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
