/* connection.h -- a connection to a source that is tried again: when, and what is told of it.
 *
 *     works --connection_failed()--> waits --its time has come: connection_is_due()--> the input tries --connection_works()--> works
 *                                      ^                                                  |
 *                                      +----------------connection_failed()---------------+
 *
 * It waits 1 s, 2 s, 4 s ... 120 s, with jitter (base/backoff.h). One that works for less than `holds` goes on where it was: a server that
 * takes everybody in and throws everybody out again is not asked every second.
 *
 * The log has one line when it begins to fail, with cause and hint, one for each new cause, and one when it works again. The health
 * (health.h) hears of all of it.
 *
 * It opens nothing and has no clock: the input does the work. A client library that connects anew by itself is told of here as well, by
 * what it reports; its own waits count then, and connection_is_due() is not asked.
 *
 * Threads    one at a time: the input's own.
 * Ownership  embedded in its owner; what `conf` points to outlives it.
 */
#ifndef PIPELINE_INPUTS_CONNECTION_H
#define PIPELINE_INPUTS_CONNECTION_H

#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/health.h"

#include <stdbool.h>

struct connection_conf {
    const char *stream, *input;  /* for the log: the input's label, input_health_label() */
    const char *source;          /* what is read, for people: "amqp://broker:5672/ queue orders". No password in it */
    struct input_health *health; /* may be NULL */
    nsec holds;                  /* CONNECTION_HOLDS; 0: each call stands by itself */
    /* What the log says when it begins to fail, and when it works again. NULL: "the connection to the source failed, and is tried again",
     * "the connection to the source works again". */
    const char *failed_text, *works_text;
};

struct connection {
    struct connection_conf conf;
    unsigned failures; /* in a row */
    nsec again;        /* mono; not before. Its owner may put it off, or bring it forward */
    bool failing;
    nsec since;                  /* mono; it works */
    char shown[INPUT_ERROR_MAX]; /* the cause that the log has; "": none */
};

void connection_init(struct connection *c, const struct connection_conf *conf);
void connection_release(struct connection *c); /* again: nothing */

bool connection_is_due(const struct connection *c, nsec mono_now);

struct connection_trouble {
    const char *doing; /* "connect", "subscribe", "ReceiveMessage" */
    const char *cause; /* the same words for the same cause: a new one is a new line in the log */
    const char *said;  /* by the source, in its words; NULL: nothing */
    const char *hint;  /* what to do */
};

/* Several that fail together, before `again`, are one failure. */
void connection_failed(struct connection *c, const struct connection_trouble *t, nsec mono_now);
void connection_works(struct connection *c, nsec mono_now);

#endif
