/* put_load.c -- drives the Firehose API as hard as it goes with PutRecordBatch calls that were built before; with PutRecord when
 * RECORDS_PER_CALL is 0.
 *
 *     bench_put_load PORT STREAMS RECORDS_PER_CALL RECORD_BYTES CALLS CONNECTIONS FILE [CALLS_PER_SECOND]
 *  -> calls 2000 records 1000000 bytes 339000000 refused 0 seconds 2.125 p50_ms 3.102 p99_ms 9.817 queued_us 12.1
 *
 * With CALLS_PER_SECOND each call has its time, and what it took counts from then, also when its connection was late for it. Without, each
 * connection sends as soon as it has its answer. `queued_us` is what a call's thread here was ready to run and had no CPU, on average.
 *
 * Records are the lines of FILE, cut or padded to RECORD_BYTES each, so that every call carries the same number of
 * bytes. Calls go to the streams s0, s1, ... in turn. A call with refused records is repeated as a whole after a
 * moment (the benchmark counts throughput, not duplicates) and counted as refused.
 */
#include "pipeline/base/base64.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/slice.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { BODIES = 32, LINE_MAX_BYTES = 65536, ANSWER_MAX = 1 << 20, CONNECTIONS_MAX = 64 };

struct body {
    char *text; /* ","Records":[...]} or ","Record":{...}} */
    size_t n;
};

struct load {
    unsigned port, streams, records, record_bytes, calls, connections;
    unsigned rate; /* calls a second; 0: as fast as it goes */
    double began;
    bool single; /* PutRecord */
    float *took; /* ms of each call, refused attempts left out */
    struct body bodies[BODIES];
    atomic_uint next;    /* call */
    atomic_uint refused; /* calls repeated */
    atomic_bool failed;
    atomic_ullong queued; /* ns */
};

/* --- the calls --- */

/* The next line of the file, padded with 'x' or cut to `n` bytes; begins again at the end of the file. */
static void read_record(FILE *f, char *out, size_t n)
{
    char line[LINE_MAX_BYTES];
    size_t have;

    if (!fgets(line, sizeof(line), f)) {
        rewind(f);
        if (!fgets(line, sizeof(line), f))
            line[0] = '\0';
    }
    have = strcspn(line, "\n");
    if (have > n)
        have = n;
    memcpy(out, line, have);
    memset(out + have, 'x', n - have);
}

static void build_body(struct load *l, struct body *b, FILE *f)
{
    static const char open[] = "{\"Data\":\"", close[] = "\"}";
    char *record = mem_alloc(l->record_bytes), *at;

    b->text = mem_alloc(32 + l->records * (base64_encoded_length(l->record_bytes) + 32));
    at = stpcpy(b->text, l->single ? "\",\"Record\":" : "\",\"Records\":[");
    for (unsigned i = 0; i < l->records; i++) {
        if (i > 0)
            *at++ = ',';
        read_record(f, record, l->record_bytes);
        at = stpcpy(at, open);
        base64_encode((struct slice){record, l->record_bytes}, at);
        at = stpcpy(at + base64_encoded_length(l->record_bytes), close);
    }
    at = stpcpy(at, l->single ? "}" : "]}");
    b->n = (size_t)(at - b->text);
    mem_free(record);
}

static int build_bodies(struct load *l, const char *path)
{
    FILE *f = fopen(path, "re");

    if (!f) {
        perror(path);
        return -1;
    }
    for (int i = 0; i < BODIES; i++)
        build_body(l, &l->bodies[i], f);
    fclose(f);
    return 0;
}

/* --- one connection --- */

static int dial(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        perror("bench_put_load: connecting");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static int send_all(int fd, struct iovec *parts, int count)
{
    while (count > 0) {
        ssize_t n = writev(fd, parts, count);

        if (n < 0)
            return -1;
        while (count > 0 && (size_t)n >= parts->iov_len) {
            n -= (ssize_t)parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + n;
            parts->iov_len -= (size_t)n;
        }
    }
    return 0;
}

static int send_call(const struct load *l, int fd, unsigned call)
{
    const struct body *b = &l->bodies[call % BODIES];
    char head[512], name[64];
    int name_n = snprintf(name, sizeof(name), "{\"DeliveryStreamName\":\"s%u", call % l->streams);
    int head_n = snprintf(head, sizeof(head),
                          "POST / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/x-amz-json-1.1\r\n"
                          "X-Amz-Target: Firehose_20150804.%s\r\nContent-Length: %zu\r\n\r\n",
                          l->port, l->single ? "PutRecord" : "PutRecordBatch", (size_t)name_n + b->n);
    struct iovec parts[] = {{head, (size_t)head_n}, {name, (size_t)name_n}, {b->text, b->n}};

    return send_all(fd, parts, 3);
}

/* Reads one whole answer into `out`. Its body, or NULL when the connection broke. */
static const char *read_answer(int fd, char *out)
{
    size_t have = 0, want = SIZE_MAX;
    const char *body = NULL;

    while (have < want) {
        ssize_t n = have < ANSWER_MAX ? recv(fd, out + have, ANSWER_MAX - have, 0) : 0;

        if (n <= 0)
            return NULL;
        have += (size_t)n;
        out[have] = '\0';
        if (!body && (body = strstr(out, "\r\n\r\n")) != NULL) {
            const char *length = strcasestr(out, "\r\nContent-Length:");

            body += 4;
            want = (size_t)(body - out) + (length && length < body ? strtoull(length + 17, NULL, 10) : 0);
        }
    }
    return body;
}

/* 1: every record was taken. 0: some were refused. -1: the call failed. */
static int put(const struct load *l, int fd, unsigned call, char *answer)
{
    const char *body;

    if (send_call(l, fd, call) < 0 || !(body = read_answer(fd, answer)))
        return -1;
    if (strstr(body, l->single ? "\"RecordId\"" : "\"FailedPutCount\":0"))
        return 1;
    if (strstr(body, "ServiceUnavailableException"))
        return 0;
    fprintf(stderr, "bench_put_load: %.300s\n", answer);
    return -1;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* How long this thread was ready to run and had no CPU, ns. */
static unsigned long long queued_so_far(void)
{
    unsigned long long ran = 0, queued = 0;
    FILE *f = fopen("/proc/thread-self/schedstat", "re");

    if (f && fscanf(f, "%llu %llu", &ran, &queued) != 2)
        queued = 0;
    if (f)
        fclose(f);
    return queued;
}

static void wait_until(double when)
{
    struct timespec t = {.tv_sec = (time_t)when, .tv_nsec = (long)((when - (double)(time_t)when) * 1e9)};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void *run_connection(void *arg)
{
    struct load *l = arg;
    struct timespec moment = {.tv_nsec = 20000000};
    char *answer = mem_alloc(ANSWER_MAX + 1);
    int fd = dial(l->port), rc = fd < 0 ? -1 : 1;

    while (rc >= 0 && !atomic_load(&l->failed)) {
        unsigned call = atomic_fetch_add(&l->next, 1);
        double began;

        if (call >= l->calls)
            break;
        began = l->rate == 0 ? now() : l->began + (double)call / l->rate;
        wait_until(began);
        while ((rc = put(l, fd, call, answer)) == 0) {
            atomic_fetch_add(&l->refused, 1);
            nanosleep(&moment, NULL);
            began = now();
        }
        l->took[call] = (float)((now() - began) * 1e3);
    }
    atomic_fetch_add(&l->queued, queued_so_far());
    if (rc < 0)
        atomic_store(&l->failed, true);
    if (fd >= 0)
        close(fd);
    mem_free(answer);
    return NULL;
}

/* --- all of them --- */

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static int run(struct load *l)
{
    pthread_t threads[CONNECTIONS_MAX];
    unsigned started = 0;
    unsigned long long records = (unsigned long long)l->calls * l->records;

    l->began = now();
    while (started < l->connections && started < CONNECTIONS_MAX &&
           pthread_create(&threads[started], NULL, run_connection, l) == 0)
        started++;
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (atomic_load(&l->failed) || started == 0) {
        fputs("bench_put_load: a call failed\n", stderr);
        return 1;
    }
    printf("calls %u records %llu bytes %llu refused %u seconds %.3f", l->calls, records, records * l->record_bytes,
           atomic_load(&l->refused), now() - l->began);
    qsort(l->took, l->calls, sizeof(*l->took), by_size);
    printf(" p50_ms %.3f p99_ms %.3f queued_us %.1f\n", (double)l->took[l->calls / 2],
           (double)l->took[l->calls / 100 * 99], (double)atomic_load(&l->queued) / 1e3 / l->calls);
    return 0;
}

int main(int argc, char **argv)
{
    static struct load l;
    unsigned *const numbers[] = {&l.port, &l.streams, &l.records, &l.record_bytes, &l.calls, &l.connections};
    int rc;

    if (argc != 8 && argc != 9) {
        fputs("usage: bench_put_load PORT STREAMS RECORDS_PER_CALL RECORD_BYTES CALLS CONNECTIONS FILE "
              "[CALLS_PER_SECOND]\n",
              stderr);
        return 2;
    }
    for (int i = 0; i < 6; i++)
        *numbers[i] = (unsigned)strtoul(argv[i + 1], NULL, 10);
    l.rate = argc == 9 ? (unsigned)strtoul(argv[8], NULL, 10) : 0;
    l.single = l.records == 0;
    l.records += l.single;
    if (l.streams == 0 || l.record_bytes == 0 || l.calls == 0 || build_bodies(&l, argv[7]) < 0)
        return 2;
    l.took = mem_array(l.calls, sizeof(*l.took));
    rc = run(&l);
    mem_free(l.took);
    for (int i = 0; i < BODIES; i++)
        mem_free(l.bodies[i].text);
    return rc;
}
