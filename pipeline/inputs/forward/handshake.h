/* handshake.h -- how a sender shows that it knows the shared key, and who it is.
 *
 *     we    ["HELO", {nonce, auth, keepalive}]        auth: a salt where users are wanted, else ""
 *     it    ["PING", its name, salt, hex(salt + its name + nonce + key), user, hex(auth + user + password)]
 *     we    ["PONG", true or false, why not, our name, hex(salt + our name + nonce + key)]
 *
 * where hex() is a SHA-512. Neither key nor password goes over the line. Who listens may try words for the key at leisure, so it wants TLS
 * where the line is not one's own.
 *
 * Pure functions. Facts: "Forward Protocol Specification v1", "Authentication".
 */
#ifndef PIPELINE_INPUTS_FORWARD_HANDSHAKE_H
#define PIPELINE_INPUTS_FORWARD_HANDSHAKE_H

#include "config/bind.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

enum { FORWARD_NONCE = 16 };

/* Of one connection. */
struct forward_nonce {
    char nonce[FORWARD_NONCE], salt[FORWARD_NONCE];
};

struct forward_secrets {
    const char *key;
    const struct cfg_strings *users; /* NAME:PASSWORD; none: nobody is asked for a name */
};

/* Fluentd takes no answer from who has its own name. */
extern const char forward_name[];

/* -1: `out` is full, which it is not with 1 KiB. */
MUST_CHECK int forward_helo(const struct forward_nonce *n, const struct forward_secrets *s, struct buf *out);
/* `whole`: one value. NULL: it may come in, and `out` says so; else why not, in words that tell nothing of what would have been right, and
 * `out` says that. */
MUST_CHECK const char *forward_ping(struct slice whole, const struct forward_nonce *n, const struct forward_secrets *s,
                                    struct buf *out);

#endif
