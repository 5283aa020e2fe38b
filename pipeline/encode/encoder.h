/* encoder.h -- turns an object into a body: read its records, shape, compress, digest. The work of a worker.
 *
 * The result depends on the object, its format and codec and the outcomes so far, so a second attempt, also after a
 * crash, makes the same bytes. Records come from an object_source. What is damaged is left out and noted: the rest is
 * still delivered.
 *
 * Threads    on a worker; the structs belong to the delivery thread before and after.
 * Ownership  everything in `in` is borrowed and outlives the job; the body in `out` goes to the caller (body_free).
 */
#ifndef PIPELINE_ENCODE_ENCODER_H
#define PIPELINE_ENCODE_ENCODER_H

#include "pipeline/base/body.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/err.h"
#include "pipeline/encode/object_source.h"
#include "pipeline/encode/outcomes.h"
#include "pipeline/encode/worker.h"
#include "sinks/sink.h"
#include "transforms/codecs/codec.h"
#include "transforms/codecs/format.h"

#include <stdint.h>

/* Which records: of the source, the first `window` that are still pending (of error lines: refused). */
struct encoder_records {
    const struct object_source *source;
    struct outcomes *outcomes; /* of its records; losses and refusals found on the way are noted here */
    uint64_t window;
    struct source_outcomes *sources; /* NULL, or where error lines note that a source record is in the backup */
    struct counted_records *counted; /* NULL, or where it is noted which records the books count */
};

struct encoder_in {
    struct encoder_records records;
    const struct format_ops *format; /* makes the body, unless the sink shapes its own */
    const void *format_options;
    uint64_t format_memory;        /* what it may hold beside the body */
    const struct sink_ops *shaper; /* NULL: `format` does */
    const void *sink;              /* its state */
    const struct codec_ops *codec;
    int level;
    uint64_t body_max;         /* compressed bytes, not counted for a body of one record; 0: any */
    struct slice content_name; /* what an archive calls it; may be empty */
    unsigned digests;          /* SINK_SHA256 | ... */
    bool sizes;                /* out->sizes is wanted */
    bool in_memory;            /* the body is one record, and there is no room for a file: */
    uint64_t memory;           /* so much it may hold without one */
    const char *tmp_dir;
};

struct encoder_out {
    struct body *body; /* NULL when it failed */
    bool borrowed;     /* the body is somebody else's */
    struct sink_digests digests;
    uint64_t taken;         /* records in the body: the first so many pending ones */
    uint64_t bytes;         /* of these records, as they came in */
    uint32_t *sizes;        /* of each of them; mem_free(); NULL: not wanted */
    struct sink_seal_id id; /* of just these records: it follows from the first and the last of them (encoder_window) */
    struct err err;
};

/* What tells the bodies of one seal apart (sink_seal_id.window), from the positions of a body's first and last record:
 * so it is the same whenever the same body is made again. 0: from the first record of all to the last. */
uint64_t encoder_window(uint64_t first, uint64_t last, uint64_t count);

/* Notes the piece under the reader there, if that is wanted. */
void encoder_note_counted(const struct encoder_in *in, const struct object_reader *k);

/* 0, or -1 with out->err: ERR_LIMIT the body would be too large, ERR_NOSPACE there is no room for its temporary file;
 * with fewer records both may work. */
MUST_CHECK int encoder_run(const struct encoder_in *in, struct worker *w, struct encoder_out *out);

/* Lines that are there already; out->body is `lines` itself. */
MUST_CHECK int encoder_lines(const struct encoder_in *in, struct body *lines, struct worker *w,
                             struct encoder_out *out);

/* Of a range of the body, what `digests` asks for. */
MUST_CHECK int encoder_digest(unsigned digests, const struct body *b, uint64_t from, uint64_t bytes, struct worker *w,
                              struct sink_digests *out, struct err *e);
/* Of all of out->body. */
MUST_CHECK int encoder_digest_body(unsigned digests, struct worker *w, struct encoder_out *out);
/* An empty one for `in`. */
struct body *encoder_body(const struct encoder_in *in);
void encoder_out_release(struct encoder_out *out);

#endif
