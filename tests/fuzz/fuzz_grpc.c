/* fuzz_grpc.c -- what anybody may send to the input otlp_grpc, below what its messages mean: no crash, what it holds is what it said, and every call
 * that was asked may be answered, refused, or left.
 *
 * The first byte says how the input is cut; without its highest bit the preface of HTTP/2 stands in front, so that it need not be found. */
#include "pipeline/inputs/otlp_grpc/grpc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS = 128, MESSAGE_MAX = 4096, ROOM = 16384 };

struct peer {
    struct grpc *g;
    size_t held;
    struct grpc_call *calls[CALLS];
    size_t count, turn;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static size_t most(void *ctx, const struct grpc_call *call)
{
    (void)ctx, (void)call;
    return MESSAGE_MAX;
}

static bool headed(void *ctx, struct grpc_call *call)
{
    struct peer *p = ctx;

    if (grpc_authorization(call))
        check(strlen(grpc_authorization(call)) < (1 << 20));
    return p->turn++ % 16 != 15;
}

static bool room(void *ctx, size_t bytes)
{
    struct peer *p = ctx;

    if (bytes > ROOM && bytes > p->held)
        return false;
    p->held = bytes;
    return true;
}

static void asked(void *ctx, struct grpc_call *call)
{
    struct peer *p = ctx;
    struct slice message = grpc_message(call);
    size_t sum = strlen(grpc_path(call)) + strlen(grpc_encoding(call)) + message.n;

    check(message.n <= MESSAGE_MAX && sum < 2 * MESSAGE_MAX);
    check(!grpc_authorization(call) && (!grpc_is_unwanted(call) || message.n == 0));
    for (size_t i = 0; i < message.n; i++)
        sum += (size_t)message.p[i];
    switch (p->turn++ % 3) {
    case 0:
        grpc_answer(p->g, call, message);
        break;
    case 1:
        grpc_refuse(p->g, call, 14, "a\nreason, %", SLICE("details"), SLICE("info"));
        break;
    default:
        check(p->count < CALLS);
        p->calls[p->count++] = call;
    }
}

static void gone(void *ctx, struct grpc_call *call)
{
    struct peer *p = ctx;

    for (size_t i = 0; i < p->count; i++)
        if (p->calls[i] == call) {
            p->calls[i] = p->calls[--p->count];
            return;
        }
    abort();
}

static int sent(void *ctx, struct slice bytes)
{
    (void)ctx;
    return bytes.n > 0 ? 0 : -1;
}

static const struct grpc_ops ops = {.most = most, .room = room, .headed = headed, .asked = asked, .gone = gone};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    struct peer p = {.count = 0};
    size_t piece = size ? (data[0] & 0x7f) + 1U : 1;
    struct slice rest = slice_of((const char *)data + 1, size ? size - 1 : 0);
    const char *why;
    nsec now = 1;

    p.g = grpc_new(&ops, &p);
    check(p.g != NULL);
    if (size > 0 && !(data[0] & 0x80))
        check(grpc_read(p.g, slice_of(PREFACE, sizeof(PREFACE)), now, &why) == 0);
    while (rest.n > 0) {
        struct slice part = slice_of(rest.p, rest.n < piece ? rest.n : piece);

        if (grpc_read(p.g, part, now, &why) < 0 || grpc_write(p.g, sent, &p))
            break;
        rest = slice_from(rest, part.n);
        now += NSEC_PER_SEC;
        grpc_look(p.g, now);
        if (p.count > 2)
            grpc_answer(p.g, p.calls[--p.count], SLICE("later"));
    }
    grpc_free(&p.g);
    check(p.held == 0);
    return 0;
}
