/* parser.h -- frames of STOMP 1.1 and 1.2 out of bytes, cut wherever the network cut them.
 *
 *     switch (stomp_parser_take(p, &bytes, &e)) {
 *     case STOMP_MORE:    all of `bytes` is taken; more is needed for a frame
 *     case STOMP_FRAME:   stomp_command(), stomp_header(), p->body are the frame, until stomp_parser_next(); the rest of `bytes` is left
 *     case STOMP_BROKEN:  what came is no STOMP: the connection is of no more use
 *     }
 *
 * A frame is a command, headers and a body. The body ends at a NUL, or has the length that the header `content-length` says. Line breaks
 * between frames are heart-beats.
 *
 * What is bounded. The writer of a message chooses its headers and its body, and such a message must not stop the queue behind it. So a body
 * that is larger than `body_max` is passed over without being kept (body_too_large). Headers are kept as long as there is room for them,
 * those that the protocol needs always; others are left out (headers_cut). A header that the protocol needs and that is too long, and a frame
 * whose headers do not end, are no STOMP.
 *
 * Of a header that comes more than once the first one counts. An escape that STOMP does not know stays as it is.
 *
 * Ownership  embedded in its owner; what a frame says is borrowed until stomp_parser_next(). Threads: one owner.
 */
#ifndef PIPELINE_INPUTS_STOMP_PARSER_H
#define PIPELINE_INPUTS_STOMP_PARSER_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct stomp_header {
    size_t name_at, name_n, value_at, value_n; /* in the parser's `text` */
};

enum stomp_step {
    STOMP_BETWEEN,
    STOMP_COMMAND,
    STOMP_HEADERS,
    STOMP_SIZED_BODY,
    STOMP_BODY,
    STOMP_BODY_END,
    STOMP_WHOLE
};

struct stomp_parser {
    size_t body_max;
    enum stomp_step step;
    struct buf line; /* the one that is not whole yet */
    bool line_cut;
    size_t head_bytes; /* of this frame, so far */
    struct buf text;   /* command, names and values */
    size_t command_n;
    struct stomp_header headers[STOMP_HEADERS_MAX];
    size_t header_count;
    bool headers_cut;
    struct buf body;
    size_t body_size; /* as it came; more than is in `body` when it is too large */
    size_t body_left; /* of one whose length is known */
    bool body_too_large;
};

void stomp_parser_init(struct stomp_parser *p, size_t body_max);
void stomp_parser_release(struct stomp_parser *p);
/* A new connection: nothing has come. */
void stomp_parser_reset(struct stomp_parser *p);

enum stomp_parsed { STOMP_MORE, STOMP_FRAME, STOMP_BROKEN };
MUST_CHECK enum stomp_parsed stomp_parser_take(struct stomp_parser *p, struct slice *bytes, struct err *e);
/* The frame is done with. */
void stomp_parser_next(struct stomp_parser *p);

struct slice stomp_command(const struct stomp_parser *p);
/* "" and false: there is none of this name. */
bool stomp_header(const struct stomp_parser *p, const char *name, struct slice *value);
void stomp_header_at(const struct stomp_parser *p, size_t i, struct slice *name, struct slice *value);

#endif
