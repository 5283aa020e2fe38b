/* format.h -- how records become the bytes of an object: lines, raw, json_array. One row per format in formats.c.
 *
 * lines       each record, ending in exactly one '\n' of its own (a record that already ends in one gets no second)
 * raw         the records' bytes, one behind the other, nothing added
 * json_array  [r1,r2,...] with JSON records as they are and every other record as a JSON string (invalid UTF-8 becomes
 * U+FFFD, as JSON has no way to say it)
 *
 * Sinks with a body shape of their own (_bulk, Firehose HTTP) format records themselves: see sink_ops.format.
 *
 * An object begins, records are added or refused, it is finished. What a format must remember meanwhile (columns that
 * are collected, a schema, that the first record is behind it) is its state, one for each object that is being made.
 *
 *     begin --> run or add, as often as one likes --> finish --> close
 *           `------------------------------------------------------^     when it is given up
 *
 * Threads    a state: one at a time. The ops: any.
 * Invariant  the same records in the same pieces give the same bytes: a redelivered object is byte-identical.
 */
#ifndef TRANSFORMS_CODECS_FORMAT_H
#define TRANSFORMS_CODECS_FORMAT_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "pipeline/spool/format/frame.h"
#include "transforms/codecs/codec.h"

#include <stdbool.h>
#include <stdint.h>

struct format_begin {
    const void *options; /* as `fields` has bound them, a schema among them; NULL: the format has none */
    uint64_t bytes;      /* of the records' lines form, about */
    uint64_t memory;     /* what the state may hold: it is taken from the budget as memory() says */
};

/* Why a record has no place in an object of this format. It goes to the backup with that; it may quote the record. */
struct format_refusal {
    const char *code;
    char message[256];
};

struct format_ops {
    const char *name;
    const char *extension; /* "" : as Firehose, formats do not name objects */
    const char *content_type;
    bool exact_size;      /* an object has exactly the bytes of its records' lines form */
    const char *no_codec; /* why no codec may compress the object: "it compresses its columns itself"; NULL: any may */

    /* `format: NAME`, or `format: { NAME: { ... } }` with these options; NULL: it has none. */
    const struct cfg_field *fields;
    size_t conf_size; /* of the struct that `fields` describes; the options outlive every state */
    /* Reports what no field can say alone: config/options.h, also when some could not be bound and are zero. NULL: nothing. */
    void (*check_conf)(const void *options, const struct cfg_options *o);

    /* How many bytes an object of about so many needs beside its body; from the budget. NULL: none worth counting. */
    uint64_t (*memory)(const void *options, uint64_t bytes);
    /* NULL: there is no state. -1: err. */
    MUST_CHECK int (*begin)(void **state, const struct format_begin *b, struct err *e);
    void (*close)(void **state);

    /* One of the two. By runs: where the records of one frame within [first, last] are, formatted: either borrowed from
     * the view (lines), or written to `scratch` (cleared first; its max is the largest expansion) and borrowed from
     * there. -1: scratch is full, and the object cannot go on. */
    MUST_CHECK int (*run)(void *state, const struct frame_view *v, uint64_t first, uint64_t last, struct buf *scratch,
                          struct slice *out);
    /* Record by record: 1 added (what there is to be written by now is appended to `out`), 0 refused (why is filled),
     * -1 `out` is full. But for 1 all is as before. */
    MUST_CHECK int (*add)(void *state, struct slice record, struct buf *out, struct format_refusal *why);

    /* Appends what closes the object. NULL: nothing. -1: `out` is full. */
    MUST_CHECK int (*finish)(void *state, struct buf *out);
};

const struct format_ops *format_find(const char *name);
const struct format_ops *format_at(size_t index);

/* What memory() says. */
uint64_t format_memory(const struct format_ops *f, const void *options, uint64_t bytes);
/* May the codec compress its objects? */
bool format_takes_codec(const struct format_ops *f, const struct codec_ops *codec);

#endif
