/* options.h -- the options of the amqp091 input, and what is wrong with them taken by themselves.
 *
 * Ownership  bound and released with amqp091_fields. Threads: immutable once bound.
 */
#ifndef PIPELINE_INPUTS_AMQP091_OPTIONS_H
#define PIPELINE_INPUTS_AMQP091_OPTIONS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/limits.h"
#include "pipeline/http/tls.h"

#include <stdbool.h>
#include <stdint.h>

struct amqp091_conf {
    char *url, *username, *password, *queue;
    bool by_certificate; /* EXTERNAL: the server takes the user out of the TLS certificate */
    int64_t prefetch, remember;
    nsec heartbeat, remember_for;
    char *stream_start; /* NULL: it is a queue */
    struct tls_conf tls;
};

extern const struct cfg_field amqp091_fields[];

void amqp091_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o);

#define AMQP091_URL_MAX 500

/* An address taken apart: amqp://broker:5672/vhost, amqps:// for TLS. Without a virtual host, or with an empty one, it is "/". */
struct amqp091_address {
    bool tls;
    uint16_t port;
    char host[256]; /* without brackets */
    char vhost[256];
};

/* The name of what is known of a queue: of a stream's position, and of ids. A user may log in another way tomorrow, or with TLS, and what is
 * read stays the same. */
void amqp091_place_name(const struct amqp091_address *a, const char *queue, char out[POSITION_SOURCE_MAX + 1]);
/* Two of one stream would have one position. */
bool amqp091_conf_same_positions(const void *conf, const void *other);

MUST_CHECK int amqp091_address_parse(struct amqp091_address *a, const char *url, struct err *e);

/* Where a stream is begun of which no position is known. */
enum amqp091_start { AMQP091_QUEUE, AMQP091_FIRST, AMQP091_LAST, AMQP091_NEXT, AMQP091_TIME };

struct amqp091_begin {
    enum amqp091_start start;
    int64_t time; /* seconds since 1970 */
};

MUST_CHECK int amqp091_begin_parse(struct amqp091_begin *b, const char *text, struct err *e); /* NULL: a queue */

#endif
