/* message.h -- a message of Fluentd's forward protocol as bytes: which events it has, of which tag, and what its sender wants to hear.
 *
 *     Message        [tag, time, record, options?]
 *     Forward        [tag, [[time, record], ...], options?]
 *     PackedForward  [tag, the entries behind one another as one text, options?]; options.compressed: they were made smaller by gzip or zstd
 *
 * time is a number of seconds, or nanoseconds too (an extension of type 0); Fluent Bit says more of an event: [[time, metadata], record].
 * Of the options `chunk`, `compressed` and `fluent_signal` mean something; others are passed over.
 *
 * Nothing is copied; pure functions. Facts: "Forward Protocol Specification v1" and v1.5.
 */
#ifndef PIPELINE_INPUTS_FORWARD_MESSAGE_H
#define PIPELINE_INPUTS_FORWARD_MESSAGE_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum forward_mode {
    FORWARD_MESSAGE, /* the entry stands without its array */
    FORWARD_ENTRIES,
    FORWARD_PACKED,
};

struct forward_message {
    enum forward_mode mode;
    struct slice tag;
    struct slice entries; /* behind one another; where they are packed: as they are in the message */
    struct slice chunk;   /* empty: nobody waits for an answer */
    struct slice answer;  /* the same as it came: what is answered */
    bool packed;          /* gzip or zstd */
    bool quiet;           /* it says nothing: a sign of life */
};

/* `whole`: one value. False: it is none of these, or one that is not taken; *why says so. */
MUST_CHECK bool forward_read(struct slice whole, struct forward_message *m, const char **why);

/* The bytes that it was read from, which began at `from`, are at `to` now. */
void forward_moved(struct forward_message *m, const char *from, const char *to);

struct forward_event {
    bool has_time; /* else: when it came */
    int64_t seconds;
    uint32_t nanoseconds;
    struct slice metadata; /* a map; empty: none */
    struct slice record;   /* a value */
};

enum forward_entry {
    FORWARD_EVENT,
    FORWARD_NOTHING, /* an entry without a record, or one that is for Fluent Bit alone */
    FORWARD_MALFORMED,
};

/* Takes the next whole entry off `rest`: of a message's entries, or of what is unpacked of them. There must be something. */
enum forward_entry forward_next(struct slice *rest, enum forward_mode mode, struct forward_event *ev);

/* Of an extension: false: it is no time. */
MUST_CHECK bool forward_time(int8_t type, struct slice bytes, int64_t *seconds, uint32_t *nanoseconds);

#endif
