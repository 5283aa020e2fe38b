/* token.h -- the token that the brokers want of who logs in by OAUTHBEARER: asked for, and renewed while it is still good.
 *
 *     none --its time has come--> asked --it is there--> held --four fifths of its life are over, or the brokers do not take it--> asked
 *                                 | ^                                                                        (the old one serves meanwhile)
 *                     it is refused: later (connection.h)
 *
 * Debian's librdkafka has no HTTP client, so this is done here, over the daemon's (http/agent/agent.h). Nothing waits: a turn looks whether
 * an answer has come. Failures are told by a connection of its own (connection.h), without secret or token.
 *
 * Threads    the input's own, but for the answer's way from the agent.
 * Ownership  zeroed, kafka_tokens_close() does nothing. The configuration outlives it.
 */
#ifndef PIPELINE_INPUTS_KAFKA_TOKEN_H
#define PIPELINE_INPUTS_KAFKA_TOKEN_H

#include "pipeline/http/agent/agent.h"
#include "pipeline/inputs/connection.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/kafka/oauth.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>

struct kafka_tokens_conf {
    const struct kafka_oauth_conf *oauth;
    const char *stream, *input; /* for the log */
    const char *base_dir;
    struct http_agent *agent;
    struct input_health *health;
    void (*news)(void *ctx); /* an answer has come; any thread */
    void *ctx;
};

enum kafka_ask_step { KAFKA_ASK_NONE, KAFKA_ASK_SENT, KAFKA_ASK_ANSWERED };

struct kafka_tokens {
    struct kafka_tokens_conf conf;
    struct connection connection;
    struct tls_options *tls;
    struct kafka_token held; /* value NULL: none */
    nsec expires;            /* wall */
    nsec asked, renew;       /* mono */
    bool doubted;            /* librdkafka, or the brokers, want another one */

    struct http_ask ask;
    struct http_request request;
    pthread_mutex_t lock;
    enum kafka_ask_step step; /* guarded by lock; while it is SENT, what follows is the agent's */
    bool cancelled, good;
    struct kafka_token got;
    struct kafka_oauth_trouble trouble;
};

MUST_CHECK int kafka_tokens_open(struct kafka_tokens *t, const struct kafka_tokens_conf *conf, struct err *e);
void kafka_tokens_close(struct kafka_tokens *t);

/* True: there is a new one. */
bool kafka_tokens_turn(struct kafka_tokens *t, nsec wall_now, nsec mono_now);
/* The one that is held was refused, or is old in librdkafka's eyes. One that was just given is not asked for again at once. */
void kafka_tokens_doubt(struct kafka_tokens *t, nsec mono_now);
/* To a client, if there is a token. -1: the client does not take it. */
MUST_CHECK int kafka_tokens_give(const struct kafka_tokens *t, nsec wall_now, rd_kafka_t *rk, struct err *e);
/* On the input's thread, as its last work. */
void kafka_tokens_end(struct kafka_tokens *t, struct input_thread *thread);

/* For `validate`: asks, waits for the answer, and gives it to the client. */
MUST_CHECK int kafka_token_fetch(const struct kafka_oauth_conf *c, const char *base_dir, struct http_agent *agent,
                                 rd_kafka_t *rk, struct err *e);

#endif
