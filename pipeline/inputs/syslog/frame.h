/* frame.h -- where a syslog message ends in a stream of bytes (RFC 6587). Pure.
 *
 * "LEN MSG" where it begins with a digit and a '<' is behind the blank (or one was counted before in this stream); else a line, which ends at a
 * '\n' or a zero. Decided for each message, since relays mix both.
 */
#ifndef PIPELINE_INPUTS_SYSLOG_FRAME_H
#define PIPELINE_INPUTS_SYSLOG_FRAME_H

#include "pipeline/base/slice.h"

#include <stdbool.h>

enum syslog_frame_kind {
    SYSLOG_FRAME_NONE,  /* it is not complete yet */
    SYSLOG_FRAME_WHOLE, /* a message; an empty one is none */
    SYSLOG_FRAME_CUT,   /* the first part of one that is longer than may be */
    SYSLOG_FRAME_WRONG, /* where it ends cannot be known */
};

struct syslog_frame {
    enum syslog_frame_kind kind;
    struct slice message;
    size_t used;  /* bytes of the stream */
    bool counted; /* it began with its length */
    size_t left;  /* of one that was cut and counted: so many more belong to it; else all up to the end of the line */
};

/* `last`: nothing comes behind it. `counted`: others of this stream were. */
struct syslog_frame syslog_frame(struct slice in, bool last, bool counted, size_t most);
/* Of a line that was cut: how much of `in` belongs to it, with its end. *ended: that is there. */
size_t syslog_frame_rest(struct slice in, bool *ended);

#endif
