/* grpc.h -- the server's side of gRPC on one connection, over HTTP/2 (nghttp2): calls with one message each way. It does no I/O, and has no clock.
 *
 *     bytes that came ── grpc_read() ──▶ headed(call) ──▶ asked(call) ── grpc_answer() or grpc_refuse(), now or later ──▶ grpc_write() ── bytes to send
 *                                        its head is there   its message, too
 *                                            gone(call): its client does not wait for it any more
 *
 * Bounded: GRPC_STREAMS calls at a time; a message has most() bytes, and room() is asked before there is memory for one; of its head
 * what is wanted is kept, cut to what it may have. Pings and settings that nobody waits for are counted by the library, which ends the
 * connection.
 *
 * Ownership  grpc_free() frees the calls as well, without gone(). A call is valid until it is answered, refused or gone.
 * Threads    one.
 */
#ifndef PIPELINE_INPUTS_OTLP_GRPC_GRPC_H
#define PIPELINE_INPUTS_OTLP_GRPC_GRPC_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

/* How a message may be packed, as a client is told. */
#define GRPC_ENCODINGS "identity,gzip,zstd,snappy,deflate"

struct grpc;
struct grpc_call;

struct grpc_ops {
    size_t (*most)(void *ctx, const struct grpc_call *call); /* bytes that its message may have now */
    bool (*room)(void *ctx, size_t bytes);                   /* may messages have so many, all together? */
    /* Is its message wanted? False: nothing of it is taken, and the call is asked without one. */
    bool (*headed)(void *ctx, struct grpc_call *call);
    void (*asked)(void *ctx, struct grpc_call *call);
    void (*gone)(void *ctx, struct grpc_call *call); /* one that was asked */
};

/* NULL: there is no memory. */
struct grpc *grpc_new(const struct grpc_ops *ops, void *ctx);
void grpc_free(struct grpc **g);

/* -1: the connection is to be closed, when what is there was written; *why says what is wrong. */
MUST_CHECK int grpc_read(struct grpc *g, struct slice in, nsec now, const char **why);
/* send(): -1 ends it. True: nothing more will come, and nothing more is to be sent. */
bool grpc_write(struct grpc *g, int (*send)(void *ctx, struct slice bytes), void *ctx);
/* Once a second: a call that takes too long to come is refused. */
void grpc_look(struct grpc *g, nsec now);

/* The client is told that no more of its calls are taken: those that it began and we have not seen it may send elsewhere. */
void grpc_part(struct grpc *g);

/* For the protocol above. */
const char *grpc_path(const struct grpc_call *call);          /* "/package.Service/Method" */
const char *grpc_authorization(const struct grpc_call *call); /* in headed(); NULL: not there */
const char *grpc_encoding(const struct grpc_call *call);      /* of a message that is packed; "": none */
bool grpc_is_unwanted(const struct grpc_call *call);          /* headed() said so */
bool grpc_is_packed(const struct grpc_call *call);
struct slice grpc_message(const struct grpc_call *call);
void grpc_drop_message(struct grpc *g, struct grpc_call *call); /* it is not wanted any more */

void grpc_answer(struct grpc *g, struct grpc_call *call, struct slice message);
/* `details`: a google.rpc.Status, as protobuf; may be empty. `retry_info`: likewise a google.rpc.RetryInfo. */
void grpc_refuse(struct grpc *g, struct grpc_call *call, unsigned code, const char *why, struct slice details,
                 struct slice retry_info);

#endif
