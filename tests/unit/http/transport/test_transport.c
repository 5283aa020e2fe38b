/* What a request sends of a body: all of it, or a range, from memory and from a file. The server takes one request and says 200. */
#include "tests/support/cmocka.h"

#include "pipeline/base/mem.h"
#include "pipeline/http/transport/transport.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_BYTES (300 * 1024)

struct server {
    int fd;
    char url[64], got[BODY_BYTES + 4096];
    size_t got_bytes;
};

/* Until the body is there that the head announces. */
static void *serve(void *arg)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    struct server *s = arg;
    int c = accept(s->fd, NULL, NULL);
    size_t total = SIZE_MAX;
    ssize_t n = 1;

    s->got_bytes = 0;
    while (n > 0 && s->got_bytes < total) {
        const char *end, *length;

        n = read(c, s->got + s->got_bytes, sizeof(s->got) - 1 - s->got_bytes);
        s->got_bytes += n > 0 ? (size_t)n : 0;
        s->got[s->got_bytes] = '\0';
        end = strstr(s->got, "\r\n\r\n");
        length = strstr(s->got, "Content-Length: ");
        if (end && length)
            total = (size_t)(end - s->got) + 4 + (size_t)atol(length + strlen("Content-Length: "));
    }
    (void)!write(c, ok, sizeof(ok) - 1);
    close(c);
    return NULL;
}

static void server_open(struct server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);

    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(s->fd, 1), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &n), 0);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d/o", ntohs(at.sin_port));
}

struct sending {
    struct exchange x;
    int status; /* 0: under way */
};

static void on_done(struct exchange *x, const struct http_response *re)
{
    struct sending *s = CONTAINER_OF(x, struct sending, x);

    s->status = re->failure == HTTP_OK ? re->status : -(int)re->failure;
}

/* Returns what the server got behind the head. */
static struct slice send_range(struct server *s, const char *method, const struct body *b, uint64_t from,
                               uint64_t bytes)
{
    struct http_request rq = {.method = method, .url = s->url, .proxy = ""};
    struct sending sending = {.x = {.request = &rq, .body = b, .from = from, .bytes = bytes, .done = on_done}};
    struct transport *t = NULL;
    const char *end;
    pthread_t thread;
    struct err e;

    assert_int_equal(pthread_create(&thread, NULL, serve, s), 0);
    assert_int_equal(transport_new(&t, &e), 0);
    transport_start(t, &sending.x);
    while (!sending.status)
        transport_run(t, clock_mono() + NSEC_PER_SEC);
    transport_free(&t);
    pthread_join(thread, NULL);
    assert_int_equal(sending.status, 200);
    end = strstr(s->got, "\r\n\r\n");
    assert_non_null(end);
    end += 4;
    return slice_of(end, s->got_bytes - (size_t)(end - s->got));
}

static void a_range_of_the_body_is_sent(void **state)
{
    static const struct {
        uint64_t from, bytes;
    } ranges[] = {{0, 0}, {0, 1}, {1, 1}, {BODY_BYTES - 1, 1}, {100, 70000}, {65536, BODY_BYTES - 65536}};
    struct server *s = mem_alloc(sizeof(*s));
    char *text = mem_alloc(BODY_BYTES);
    struct err e;

    (void)state;
    server_open(s);
    for (size_t i = 0; i < BODY_BYTES; i++)
        text[i] = (char)('a' + i % 23);
    for (int in_file = 0; in_file < 2; in_file++) {
        struct body *b = body_new("/tmp", in_file ? 1000 : 2 * BODY_BYTES);

        assert_int_equal(body_add(b, slice_of(text, BODY_BYTES), &e), 0);
        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
            uint64_t bytes = ranges[i].bytes ? ranges[i].bytes : BODY_BYTES;
            struct slice got = send_range(s, i % 2 ? "PUT" : "POST", b, ranges[i].from, ranges[i].bytes);

            assert_int_equal(got.n, bytes);
            assert_memory_equal(got.p, text + ranges[i].from, bytes);
        }
        body_free(&b);
    }
    close(s->fd);
    mem_free(text);
    mem_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_of_the_body_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
