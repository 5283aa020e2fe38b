/* get.h -- a piece of an object of S3, asked for without waiting: GetObject with a range, of the version and the ETag that were begun with.
 *
 *     object_get_begin()   signs and sends; false: not now, keys or certificates are being read, or cannot be (then `e` says so)
 *     object_get_ended()   in each turn: has it come back? Then get->answered, get->answer, get->piece
 *
 * An object is asked for in pieces, so that a lost connection, a crash and gigabytes cost a piece each. A store that does not know ranges answers
 * with all of it, which serves when it is no more than a piece.
 *
 * Ownership  a get is embedded in its owner, and stays while it is under way. Threads: the input's own, which is woken when it has come back.
 * Memory     a piece, OBJECTS_PIECE.
 */
#ifndef PIPELINE_INPUTS_OBJECTS_GET_H
#define PIPELINE_INPUTS_OBJECTS_GET_H

#include "pipeline/aws/credentials/credentials.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/http/agent/agent.h"
#include "pipeline/http/tls.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/objects/event.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define OBJECT_REGION_MAX 64
#define OBJECT_SAID_MAX   256

/* Whom to ask, and as whom. */
struct object_store_conf {
    const char *endpoint; /* NULL or "": that of AWS's own tools, by environment and profile, else AWS */
    const char *region;   /* of all buckets; NULL or "": what the event says, else: */
    const char *region_otherwise;
    const struct credentials_conf *keys;
    const struct tls_conf *tls;
    const char *proxy, *base_dir;
    struct http_agent *agent;
};

struct object_store {
    struct object_store_conf conf;
    const char *endpoint; /* "": AWS */
    const char *found_by; /* whose setting that is, for people; NULL: conf.endpoint */
    char found[AWS_ENDPOINT_MAX];
    struct credentials *credentials;
    struct tls_options *tls;
    struct input_thread *thread; /* its owner's, set before the first get */
    pthread_mutex_t lock;        /* of each get's `over` */
};

/* What is borrowed by `conf` outlives it. */
MUST_CHECK int object_store_open(struct object_store *s, const struct object_store_conf *conf, struct err *e);
void object_store_close(struct object_store *s);

enum object_answer {
    OBJECT_PIECE,   /* get->piece; get->total bytes has the object */
    OBJECT_END,     /* it has no byte there */
    OBJECT_GONE,    /* there is no such object, or version */
    OBJECT_CHANGED, /* there is another one of this name */
    OBJECT_REFUSED, /* this one; somebody has to do something */
    OBJECT_AWAY,    /* this one and all others: the same later */
};

/* What an answer says. */
struct object_said {
    enum object_answer answer;
    uint64_t total;
    char tag[OBJECT_TAG_MAX]; /* with its quotes; "": it says none */
    char code[96];            /* "NoSuchKey"; "" when it did not answer */
    char text[OBJECT_SAID_MAX];
    const char *hint; /* "": nothing is to be done */
    bool keys_expired;
};

/* Pure. `from`: of the piece that was asked for. */
void object_answer_read(const struct http_response *re, uint64_t from, struct object_said *out);

struct object_get {
    struct object_store *store;
    bool under_way;
    struct http_ask ask;
    struct http_request request;
    uint64_t from;
    nsec began; /* wall */

    bool over;     /* guarded by the store's lock; until then all below is the agent's */
    bool answered; /* false: it was cancelled */
    struct object_said said;
    struct buf piece;
};

void object_get_init(struct object_get *g, struct object_store *s);
void object_get_release(struct object_get *g); /* it is not under way */

/* `tag`: the ETag that it must have, as an answer said it; "": any. False without a message in `e`: soon again. */
MUST_CHECK bool object_get_begin(struct object_get *g, const struct object *o, uint64_t from, const char *tag,
                                 struct err *e);
MUST_CHECK bool object_get_ended(struct object_get *g);
void object_get_cancel(struct object_get *g); /* it ends soon; not under way: nothing */

/* False: the bucket's name, or its region's, is none. */
MUST_CHECK bool object_address_is_fine(const struct object_store *s, const struct object *o, struct err *e);

#endif
