/* What is asked is answered once, or broken off once; whoever may wait gets the answer as a result. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/http/agent/agent.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Takes connections until it is closed. It answers each request with its path and so many bytes as the path says behind
 * "/bytes"; to "/never" it does not answer. */
struct server {
    int fd, port;
    pthread_t thread;
    atomic_int asked;
    sem_t got;
};

static void reply(int c, const char *request)
{
    const char *path = strchr(request, '/');
    size_t n = strncmp(path, "/bytes", 6) == 0 ? (size_t)atol(path + 6) : strcspn(path, " ");
    char *body = calloc(1, n + 1);
    char head[128];

    memset(body, 'x', n);
    if (strncmp(path, "/bytes", 6) != 0)
        memcpy(body, path, n);
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nX-Path: %.*s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
             (int)strcspn(path, " "), path, n);
    (void)!write(c, head, strlen(head));
    (void)!write(c, body, n);
    free(body);
    close(c);
}

static void *serve(void *arg)
{
    struct server *s = arg;
    int silent[16], silent_count = 0, c;

    while ((c = accept(s->fd, NULL, NULL)) >= 0) {
        char request[4096];
        ssize_t n = read(c, request, sizeof(request) - 1);

        if (n <= 0) {
            close(c);
            continue;
        }
        request[n] = '\0';
        atomic_fetch_add(&s->asked, 1);
        if (strstr(request, " /never") && silent_count < 16)
            silent[silent_count++] = c;
        else
            reply(c, request);
        sem_post(&s->got);
    }
    while (silent_count)
        close(silent[--silent_count]);
    return NULL;
}

static void server_start(struct server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);

    memset(s, 0, sizeof(*s));
    sem_init(&s->got, 0, 0);
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(s->fd, 64), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &n), 0);
    s->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static struct http_request request_of(const struct server *s, const char *path, char url[128])
{
    snprintf(url, 128, "http://127.0.0.1:%d%s", s->port, path);
    return (struct http_request){.method = "GET", .url = url, .proxy = "", .response_max = MIB};
}

static struct http_agent *agent_of(struct budget *budget)
{
    struct http_agent *a = http_agent_new(budget);
    struct err e;

    if (http_agent_use(a, &e) < 0 || http_agent_use(a, &e) < 0)
        fail_msg("%s", e.msg);
    return a;
}

static void a_call_brings_the_answer(void **state)
{
    struct http_agent *a = agent_of(NULL);
    struct http_request rq;
    struct http_call c;
    struct server s;
    char url[128];

    (void)state;
    server_start(&s);
    http_call_init(&c, MIB);
    for (int i = 0; i < 3; i++) {
        rq = request_of(&s, i == 1 ? "/bytes300000" : "/one", url);
        assert_true(http_agent_call(a, &c, &rq, NULL));
        assert_true(c.failure == HTTP_OK && c.status == 200 && !c.truncated);
        if (i == 1)
            assert_int_equal(c.re.body.n, 300000);
        else
            assert_true(slice_is(c.re.body, "/one"));
        assert_true(slice_is(http_response_header(&c.re, "x-path"), i == 1 ? "/bytes300000" : "/one"));
    }
    server_stop(&s);
    assert_true(http_agent_call(a, &c, &rq, NULL)); /* nobody is there: an answer, too */
    assert_true(c.failure == HTTP_CONNECT && c.failure_text[0]);
    http_call_release(&c);
    http_agent_free(&a);
    assert_null(a);
}

static void a_call_is_cut_where_its_owner_says(void **state)
{
    struct http_agent *a = agent_of(NULL);
    struct http_request rq;
    struct http_call c;
    struct server s;
    char url[128];

    (void)state;
    server_start(&s);
    http_call_init(&c, 1000);
    rq = request_of(&s, "/bytes100000", url);
    rq.response_max = 1000;
    assert_true(http_agent_call(a, &c, &rq, NULL));
    assert_true(c.truncated && c.re.body.n <= 1000);
    http_call_release(&c);
    server_stop(&s);
    http_agent_free(&a);
}

/* Above ANSWER_SMALL_MAX an answer takes its memory from the budget, and gives it back. */
static void large_answers_are_in_the_budget(void **state)
{
    struct budget budget;
    struct http_agent *a;
    struct http_request rq;
    struct http_call c;
    struct server s;
    char url[128];

    (void)state;
    budget_init(&budget, 600 * KIB);
    a = agent_of(&budget);
    server_start(&s);
    http_call_init(&c, MIB);
    rq = request_of(&s, "/bytes500000", url);
    assert_true(http_agent_call(a, &c, &rq, NULL));
    assert_true(c.failure == HTTP_OK && c.re.body.n == 500000);
    assert_true(budget.peak > 300 * KIB);
    while (!budget_take(&budget, 500 * KIB)) /* it is given back behind the answer */
        usleep(1000);
    assert_true(http_agent_call(a, &c, &rq, NULL));
    assert_true(c.failure != HTTP_OK);
    budget_give(&budget, 500 * KIB);
    http_call_release(&c);
    server_stop(&s);
    http_agent_free(&a);
    assert_int_equal(budget.used, 0);
}

struct caller {
    struct http_agent *a;
    struct http_call c;
    struct http_request rq;
    bool answered;
};

static void *call(void *arg)
{
    struct caller *w = arg;

    w->answered = http_agent_call(w->a, &w->c, &w->rq, NULL);
    return NULL;
}

static void a_call_that_waits_is_broken_off(void **state)
{
    struct caller w = {.answered = true};
    struct server s;
    pthread_t id;
    char url[128];

    (void)state;
    server_start(&s);
    w.a = agent_of(NULL);
    http_call_init(&w.c, MIB);
    w.rq = request_of(&s, "/never", url);
    assert_int_equal(pthread_create(&id, NULL, call, &w), 0);
    while (sem_wait(&s.got) < 0) /* it is under way */
        ;
    http_call_cancel(w.a, &w.c);
    pthread_join(id, NULL);
    assert_false(w.answered);
    w.rq = request_of(&s, "/one", url); /* and none that follows begins */
    assert_false(http_agent_call(w.a, &w.c, &w.rq, NULL));
    assert_int_equal(atomic_load(&s.asked), 1);
    http_call_release(&w.c);
    server_stop(&s);
    http_agent_free(&w.a);
}

/* --- from any thread, many at once -------------------------------------------------------------------------------- */

enum { MANY = 60 };

struct asking {
    struct http_ask ask;
    struct http_request rq;
    char url[128];
    atomic_int answered, broken_off;
    sem_t *over;
};

static void on_done(struct http_ask *ask, const struct http_response *re)
{
    struct asking *w = CONTAINER_OF(ask, struct asking, ask);

    atomic_fetch_add(re ? &w->answered : &w->broken_off, 1);
    sem_post(w->over);
}

static void each_ask_ends_once(void **state)
{
    static struct asking many[MANY];
    struct http_agent *a = agent_of(NULL);
    struct server s;
    sem_t over;

    (void)state;
    server_start(&s);
    sem_init(&over, 0, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            struct asking *w = &many[i];

            w->rq = request_of(&s, i % 4 ? "/some" : "/never", w->url);
            w->ask.request = &w->rq;
            w->ask.done = on_done;
            w->over = &over;
            if (round == 0 && i >= 15) /* the server keeps few */
                w->rq = request_of(&s, "/some", w->url);
            else if (round > 0 && i % 4 == 0)
                w->rq = request_of(&s, "/some", w->url);
            http_agent_send(a, &w->ask);
        }
        for (int i = 0; i < MANY; i++)
            if (i % 4 == 0 || i % 7 == 0)
                http_agent_cancel(a, &many[i].ask);
        for (int i = 0; i < MANY; i++)
            while (sem_wait(&over) < 0)
                ;
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(atomic_load(&many[i].answered) + atomic_load(&many[i].broken_off), 3);
        http_agent_cancel(a, &many[i].ask); /* nothing is under way: nothing */
    }
    server_stop(&s);
    http_agent_free(&a);
}

static void one_that_is_not_used_has_no_thread(void **state)
{
    struct http_agent *a = http_agent_new(NULL);

    (void)state;
    http_agent_free(&a);
    http_agent_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_brings_the_answer),
        cmocka_unit_test(a_call_is_cut_where_its_owner_says),
        cmocka_unit_test(large_answers_are_in_the_budget),
        cmocka_unit_test(a_call_that_waits_is_broken_off),
        cmocka_unit_test(each_ask_ends_once),
        cmocka_unit_test(one_that_is_not_used_has_no_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
