/* A token is asked for as the standard says, renewed while it is good, and what goes wrong is said without a secret. The server is a
 * script of answers; time is an argument. */
#include "tests/support/cmocka.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/kafka/client.h"
#include "pipeline/inputs/kafka/token.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define S      NSEC_PER_SEC
#define SECRET "s3cret/+ x"

static char url[64], id[] = "lake", secret[] = SECRET, scope[] = "kafka read", audience[] = "brokers",
                     no_proxy[] = "none";

static struct kafka_oauth_conf options(void)
{
    return (struct kafka_oauth_conf){.token_url = url,
                                     .client_id = id,
                                     .client_secret = secret,
                                     .scope = scope,
                                     .audience = audience,
                                     .proxy = no_proxy,
                                     .tls = {.verify = true}};
}

/* --- what is asked --------------------------------------------------------------------------------------------------- */

static void the_request_is_a_form_with_a_login(void **state)
{
    struct kafka_oauth_conf c = options();
    struct http_request rq;
    struct err e;

    (void)state;
    assert_int_equal(kafka_oauth_request(&c, &rq, &e), 0);
    assert_string_equal(rq.method, "POST");
    assert_string_equal(rq.text, "grant_type=client_credentials&scope=kafka%20read&audience=brokers");
    assert_string_equal(rq.headers[0], "Content-Type: application/x-www-form-urlencoded");
    /* lake:s3cret%2F%2B%20x */
    assert_string_equal(rq.headers[2], "Authorization: Basic bGFrZTpzM2NyZXQlMkYlMkIlMjB4");
    kafka_oauth_request_release(&rq);

    c.secret_in_body = true;
    c.scope = c.audience = NULL;
    assert_int_equal(kafka_oauth_request(&c, &rq, &e), 0);
    assert_string_equal(rq.text, "grant_type=client_credentials&client_id=lake&client_secret=s3cret%2F%2B%20x");
    assert_int_equal(rq.header_count, 2);
    kafka_oauth_request_release(&rq);
}

/* --- what is answered ------------------------------------------------------------------------------------------------ */

static bool read_answer(int status, const char *body, struct kafka_token *token, struct kafka_oauth_trouble *t)
{
    const struct kafka_oauth_conf c = options();
    const struct http_response re = {.status = status, .body = slice_str(body)};

    *token = (struct kafka_token){.value = NULL};
    return kafka_oauth_answer(&c, &re, token, t);
}

static void a_token_has_a_life(void **state)
{
    const struct {
        const char *body;
        nsec lifetime;
    } rows[] = {
        {"{\"access_token\":\"a.b-c\",\"token_type\":\"Bearer\",\"expires_in\":3600}", 3600 * S},
        {"{\"access_token\":\"a.b-c\",\"token_type\":\"bearer\",\"expires_in\":\"599\",\"x\":[{}]}", 599 * S},
        {"{\"expires_in\":1,\"access_token\":\"a.b\\u002dc\"}", 1 * S},
        {"{\"access_token\":\"a.b-c\"}", KAFKA_OAUTH_LIFETIME_DEFAULT * S},
        {"{\"access_token\":\"a.b-c\",\"expires_in\":null}", KAFKA_OAUTH_LIFETIME_DEFAULT * S},
        {"{\"access_token\":\"a.b-c\",\"expires_in\":1e300}", KAFKA_OAUTH_LIFETIME_MAX * S},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kafka_oauth_trouble t;
        struct kafka_token token;

        if (!read_answer(200, rows[i].body, &token, &t))
            fail_msg("%s: %s", rows[i].body, t.cause);
        assert_string_equal(token.value, "a.b-c");
        assert_int_equal(token.lifetime, rows[i].lifetime);
        kafka_token_release(&token);
    }
}

static void what_is_no_token_is_said(void **state)
{
    const struct {
        int status;
        const char *body, *cause, *said, *hint;
    } rows[] = {
        {401, "{\"error\":\"invalid_client\",\"error_description\":\"no such client\"}", "invalid_client",
         "no such client", "client_secret"},
        {400, "{\"error\":\"invalid_scope\"}", "invalid_scope", "", "scope"},
        {400, "{\"error\":\"unsupported_grant_type\"}", "unsupported_grant_type", "", "client_credentials"},
        {401, "{\"error\":\"invalid_client\",\"error_description\":\"bad " SECRET "\"}", "the server refuses", "",
         "log"},
        {404, "<html>", "it was answered with status 404", "", "token_endpoint"},
        {503, "", "it was answered with status 503", "", "busy"},
        {302, "", "it was answered with status 302", "", "token_endpoint"},
        {200, "<html>", "the answer is not the JSON of a token", "", "token_endpoint"},
        {200, "[1]", "the answer is not the JSON of a token", "", "token_endpoint"},
        {200, "{\"access_token\":\"a\"", "the answer is not the JSON of a token", "", "token_endpoint"},
        {200, "{\"id_token\":\"a\"}", "the answer has no access_token", "", "token_endpoint"},
        {200, "{\"access_token\":\"a\\u0001b\"}", "the answer's access_token is none, or is too long", "",
         "token_endpoint"},
        {200, "{\"access_token\":\"a\",\"token_type\":\"mac\"}", "the token is of a kind that is not known", "",
         "bearer"},
        {200, "{\"access_token\":\"a\",\"expires_in\":0}", "the token has expired already (expires_in)", "",
         "lifetime"},
        {200, "{\"access_token\":\"a\",\"expires_in\":\"soon\"}", "the token has expired already (expires_in)", "",
         "lifetime"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kafka_oauth_trouble t = {.hint = NULL};
        struct kafka_token token;

        assert_false(read_answer(rows[i].status, rows[i].body, &token, &t));
        assert_null(token.value);
        assert_string_equal(t.cause, rows[i].cause);
        assert_string_equal(t.said, rows[i].said);
        assert_non_null(strstr(t.hint, rows[i].hint));
        assert_null(strstr(t.said, SECRET));
    }
}

/* --- in turns, against a server --------------------------------------------------------------------------------------- */

struct server {
    int fd;
    pthread_t thread;
    const char *const *answers; /* one for each connection; "" closes it without one; NULL ends the list */
};

static void *serve(void *arg)
{
    struct server *s = arg;

    for (const char *const *a = s->answers; *a; a++) {
        int c = accept(s->fd, NULL, NULL);
        char request[4096] = "", head[128];
        size_t n = 0;

        if (c < 0)
            break;
        while (!strstr(request, "audience=brokers") && n < sizeof(request) - 1) {
            ssize_t got = read(c, request + n, sizeof(request) - 1 - n);

            if (got <= 0)
                break;
            n += (size_t)got;
        }
        if (**a) {
            snprintf(head, sizeof(head), "HTTP/1.1 %.3s X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", *a,
                     strlen(*a + 4));
            (void)!write(c, head, strlen(head));
            (void)!write(c, *a + 4, strlen(*a + 4));
        }
        close(c);
    }
    return NULL;
}

static void server_start(struct server *s, const char *const *answers)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);

    s->answers = answers;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &n), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/token", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static sem_t news;

static void on_news(void *ctx)
{
    (void)ctx;
    sem_post(&news);
}

struct bench {
    struct server server;
    struct http_agent *agent;
    struct input_health health;
    struct kafka_oauth_conf options;
    struct kafka_tokens tokens;
};

static void bench_begin(struct bench *b, const char *const *answers)
{
    struct kafka_tokens_conf conf = {.stream = "app", .input = "kafka", .news = on_news};
    struct err e;

    log_set_level(LOG_ERROR);
    sem_init(&news, 0, 0);
    server_start(&b->server, answers);
    b->agent = http_agent_new(NULL);
    input_health_init(&b->health, "kafka", 0);
    b->options = options();
    conf.oauth = &b->options;
    conf.agent = b->agent;
    conf.health = &b->health;
    if (kafka_tokens_open(&b->tokens, &conf, &e) < 0)
        fail_msg("%s", e.msg);
}

static void bench_end(struct bench *b)
{
    kafka_tokens_close(&b->tokens);
    http_agent_free(&b->agent);
    input_health_release(&b->health);
    server_stop(&b->server);
}

/* Asks at `now`, and looks at the answer then. */
static bool ask(struct bench *b, nsec wall, nsec now)
{
    assert_false(kafka_tokens_turn(&b->tokens, wall, now));
    while (sem_wait(&news) != 0)
        ;
    return kafka_tokens_turn(&b->tokens, wall, now);
}

static bool asks(struct bench *b, nsec now)
{
    bool any;

    (void)kafka_tokens_turn(&b->tokens, 0, now);
    pthread_mutex_lock(&b->tokens.lock);
    any = b->tokens.step != KAFKA_ASK_NONE;
    pthread_mutex_unlock(&b->tokens.lock);
    return any;
}

static void a_token_is_renewed_ahead_and_tried_again(void **state)
{
    const char *const answers[] = {"401 {\"error\":\"invalid_client\"}",
                                   "",
                                   "200 {\"access_token\":\"one\",\"expires_in\":1000}",
                                   "500 ",
                                   "200 {\"access_token\":\"two\",\"expires_in\":1000}",
                                   "200 {\"access_token\":\"three\",\"expires_in\":1000}",
                                   NULL};
    const nsec wall = 1800000000 * S;
    struct input_health_view view;
    struct bench b;
    nsec now = 1000 * S;

    (void)state;
    bench_begin(&b, answers);
    assert_false(ask(&b, wall, now));
    input_health_view(&b.health, wall, now, &view);
    assert_non_null(strstr(view.words->error, "ask for a token: invalid_client"));
    input_health_view_release(&view);
    assert_false(asks(&b, now)); /* not at once */
    now = b.tokens.connection.again;
    assert_false(ask(&b, wall, now));
    now = b.tokens.connection.again;
    assert_true(ask(&b, wall, now));
    assert_string_equal(b.tokens.held.value, "one");
    assert_int_equal(b.tokens.expires, wall + 1000 * S);

    assert_false(asks(&b, now + 799 * S));
    now += 800 * S;
    assert_false(ask(&b, wall + 800 * S, now));
    assert_string_equal(b.tokens.held.value, "one"); /* it serves on */
    now = b.tokens.connection.again;
    assert_true(ask(&b, wall + 802 * S, now));
    assert_string_equal(b.tokens.held.value, "two");
    assert_int_equal(b.tokens.expires, wall + 1802 * S);

    kafka_tokens_doubt(&b.tokens, now); /* it was asked for just now */
    assert_false(asks(&b, now));
    now += KAFKA_OAUTH_DOUBT_AFTER;
    kafka_tokens_doubt(&b.tokens, now);
    assert_true(ask(&b, wall, now));
    assert_string_equal(b.tokens.held.value, "three");
    assert_false(asks(&b, now));
    bench_end(&b);
}

/* --- the client -------------------------------------------------------------------------------------------------------- */

static void a_client_takes_the_token(void **state)
{
    const char *const answers[] = {"200 {\"access_token\":\"one\",\"expires_in\":1000}",
                                   "200 {\"access_token\":\"two\"}",
                                   "400 {\"error\":\"invalid_scope\",\"error_description\":\"which?\"}", NULL};
    char broker[] = "127.0.0.1:1", group[] = "g", *brokers[] = {broker}, extension[] = "logicalCluster=lkc-1",
         *extensions[] = {extension}, why[256];
    struct kafka_conf c = {.brokers = {brokers, 1}, .group = group, .session_timeout = 45 * S, .prefetch = 8 * MIB};
    rd_kafka_conf_t *conf = NULL;
    struct bench b;
    rd_kafka_t *rk;
    struct err e;

    (void)state;
    bench_begin(&b, answers);
    b.options.extensions = (struct cfg_strings){extensions, 1};
    c.sasl.mechanism = KAFKA_SASL_OAUTH;
    c.sasl.oauth = b.options;
    assert_int_equal(kafka_client_conf(&c, NULL, &conf, &e), 0);
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    assert_non_null(rk);
    assert_int_equal(kafka_tokens_give(&b.tokens, clock_wall(), rk, &e), 0); /* there is none yet */
    assert_true(ask(&b, clock_wall(), clock_mono()));
    assert_int_equal(kafka_tokens_give(&b.tokens, clock_wall(), rk, &e), 0);

    assert_int_equal(kafka_token_fetch(&b.options, NULL, b.agent, rk, &e), 0);
    assert_int_equal(kafka_token_fetch(&b.options, NULL, b.agent, rk, &e), -1);
    assert_non_null(strstr(e.msg, "sasl.oauth.token_url: invalid_scope: which?; look at sasl.oauth.scope"));
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_is_a_form_with_a_login),
        cmocka_unit_test(a_token_has_a_life),
        cmocka_unit_test(what_is_no_token_is_said),
        cmocka_unit_test(a_token_is_renewed_ahead_and_tried_again),
        cmocka_unit_test(a_client_takes_the_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
