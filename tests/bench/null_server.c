/* null_server.c -- a store that takes everything and keeps nothing, as cheap as a server can be: the benchmark's peer.
 *
 *     bench_null_server PORT        (0: any; prints "port N" and serves until it is killed)
 *
 * One thread around epoll; HTTP/1.1 with keep-alive; bodies are discarded in the kernel, never copied. PUT is answered
 * as S3 does, and POST with `uploads` or `uploadId` in its query, too; POST as an endpoint of Firehose does, and POST to /_bulk as
 * Elasticsearch does: its lines are counted, and every second one is a document that is fine. GET answers what was taken so far: {"objects":N,"bytes":N}. Loopback
 * only. It trusts its client: a request that is not HTTP ends the connection, nothing more.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BULK_BEGIN "{\"errors\":false,\"items\":["
#define BULK_ITEM  "{\"index\":{\"status\":201}},"
#define BULK_END   "]}"

enum { HEAD_MAX = 16384, CONNECTIONS_MAX = 4096, EVENTS = 64, REQUEST_ID_MAX = 64, PIECE = 256 * 1024 };
enum { BULK_ITEM_BYTES = sizeof(BULK_ITEM) - 1, BULK_ITEMS_MAX = 400000 };

enum request_kind { ASKS, STORES, POSTS, BULK, BEGINS_UPLOAD, ENDS_UPLOAD };

struct connection {
    char head[HEAD_MAX + 1];
    size_t have;
    uint64_t body_left, lines;
    bool in_body;
    enum request_kind kind;
    char request_id[REQUEST_ID_MAX];
};

static struct connection *connections[CONNECTIONS_MAX]; /* by file descriptor */
static uint64_t objects, bytes;

static bool answer(int fd, const char *body)
{
    char out[512];
    int n = snprintf(out, sizeof(out), "HTTP/1.1 200 OK\r\nETag: \"0\"\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
                     body);

    return send(fd, out, (size_t)n, MSG_NOSIGNAL) == n;
}

static bool answer_stats(int fd)
{
    char body[128];

    snprintf(body, sizeof(body), "{\"objects\":%llu,\"bytes\":%llu}", (unsigned long long)objects,
             (unsigned long long)bytes);
    return answer(fd, body);
}

static bool answer_firehose(int fd, const struct connection *c)
{
    char body[128];

    snprintf(body, sizeof(body), "{\"requestId\":\"%s\",\"timestamp\":1700000000000}", c->request_id);
    return answer(fd, body);
}

/* As many items as fit any answer, written once. */
static char *bulk_items(void)
{
    static char *items;

    if (!items && (items = malloc((size_t)BULK_ITEMS_MAX * BULK_ITEM_BYTES)))
        for (size_t i = 0; i < BULK_ITEMS_MAX; i++)
            memcpy(items + i * BULK_ITEM_BYTES, BULK_ITEM, BULK_ITEM_BYTES);
    return items;
}

static bool answer_bulk(int fd, uint64_t documents)
{
    size_t items_size = documents * BULK_ITEM_BYTES - 1; /* without the last comma */
    size_t size = strlen(BULK_BEGIN) + items_size + strlen(BULK_END);
    char head[128];
    struct iovec parts[] = {
        {head, 0}, {(char *)BULK_BEGIN, strlen(BULK_BEGIN)}, {bulk_items(), items_size}, {(char *)BULK_END, 2}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = sizeof(parts) / sizeof(parts[0])};

    if (documents == 0 || documents > BULK_ITEMS_MAX || !parts[2].iov_base)
        return false;
    parts[0].iov_len = (size_t)snprintf(
        head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", size);
    return sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)(parts[0].iov_len + size);
}

/* The value of Content-Length; 0 when there is none. */
static uint64_t content_length(const char *head)
{
    const char *found = strcasestr(head, "\r\nContent-Length:");

    return found ? strtoull(found + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

static bool expects_continue(const char *head)
{
    return strcasestr(head, "\r\nExpect: 100-continue") != NULL;
}

static bool body_done(int fd, struct connection *c)
{
    c->in_body = false;
    if (c->kind == ASKS)
        return answer_stats(fd);
    objects++;
    if (c->kind == BULK)
        return answer_bulk(fd, c->lines / 2);
    if (c->kind == BEGINS_UPLOAD)
        return answer(fd, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>");
    if (c->kind == ENDS_UPLOAD)
        return answer(fd, "<CompleteMultipartUploadResult><ETag>0</ETag></CompleteMultipartUploadResult>");
    return c->kind == POSTS ? answer_firehose(fd, c) : answer(fd, "");
}

static enum request_kind kind_of(const char *head)
{
    size_t line;

    if (strncmp(head, "GET", 3) == 0)
        return ASKS;
    if (strncmp(head, "POST", 4) != 0)
        return STORES;
    if (strncmp(head, "POST /_bulk", 11) == 0)
        return BULK;
    line = strcspn(head, "\r");
    if (memmem(head, line, "?uploads=", 9))
        return BEGINS_UPLOAD;
    return memmem(head, line, "?uploadId=", 10) ? ENDS_UPLOAD : POSTS;
}

static void keep_request_id(struct connection *c)
{
    const char *found = strcasestr(c->head, "\r\nX-Amz-Firehose-Request-Id:");

    c->request_id[0] = '\0';
    if (found)
        (void)!sscanf(strchr(found, ':') + 1, " %63[^\r]", c->request_id);
}

static uint64_t count_lines(const char *p, size_t n)
{
    uint64_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += p[i] == '\n';
    return count;
}

/* A whole head is there: its body begins. What of it came along is behind the head. */
static bool begin_body(int fd, struct connection *c, char *end)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t head_size = (size_t)(end - c->head) + 4, extra = c->have - head_size;

    *end = '\0';
    c->kind = kind_of(c->head);
    keep_request_id(c);
    c->body_left = content_length(c->head);
    bytes += c->body_left;
    if (expects_continue(c->head) && send(fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) < 0)
        return false;
    if (extra > c->body_left)
        return false; /* pipelining: no client here does that */
    c->lines = c->kind == BULK ? count_lines(end + 4, extra) : 0;
    c->body_left -= extra;
    c->have = 0;
    c->in_body = true;
    return c->body_left > 0 || body_done(fd, c);
}

/* 1: went on. 0: nothing more for now. -1: the connection is over. */
static int read_head(int fd, struct connection *c)
{
    ssize_t n = recv(fd, c->head + c->have, HEAD_MAX - c->have, MSG_DONTWAIT);
    char *end;

    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    if (n == 0)
        return -1;
    c->have += (size_t)n;
    c->head[c->have] = '\0';
    end = strstr(c->head, "\r\n\r\n");
    if (!end)
        return c->have < HEAD_MAX ? 1 : -1;
    return begin_body(fd, c, end) ? 1 : -1;
}

/* MSG_TRUNC on TCP: the kernel drops the bytes instead of copying them. */
static int discard_body(int fd, struct connection *c)
{
    static char piece[PIECE];
    size_t most = c->kind == BULK ? sizeof(piece) : 1 << 20, want = c->body_left < most ? (size_t)c->body_left : most;
    ssize_t n = c->kind == BULK ? recv(fd, piece, want, MSG_DONTWAIT) : recv(fd, NULL, want, MSG_TRUNC | MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    if (n == 0)
        return -1;
    c->body_left -= (uint64_t)n;
    c->lines += c->kind == BULK ? count_lines(piece, (size_t)n) : 0;
    if (c->body_left > 0)
        return 1;
    return body_done(fd, c) ? 1 : -1;
}

static void serve(int fd)
{
    struct connection *c = connections[fd];
    int rc;

    do
        rc = c->in_body ? discard_body(fd, c) : read_head(fd, c);
    while (rc > 0);
    if (rc < 0) {
        free(c);
        connections[fd] = NULL;
        close(fd);
    }
}

static void accept_one(int listener, int epoll)
{
    int one = 1, fd = accept(listener, NULL, NULL);
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

    if (fd < 0)
        return;
    if (fd >= CONNECTIONS_MAX || !(connections[fd] = calloc(1, sizeof(struct connection)))) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
        perror("bench_null_server: epoll_ctl");
}

static int listen_on(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof(a);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, (struct sockaddr *)&a, size) < 0 || listen(fd, 512) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &size) < 0) {
        perror("bench_null_server: listening");
        return -1;
    }
    printf("port %u\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS], ev = {.events = EPOLLIN};
    int listener = listen_on(argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (listener < 0 || epoll < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    ev.data.fd = listener;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev) < 0)
        return 1;
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_one(listener, epoll);
            else
                serve(events[i].data.fd);
        }
    }
}
