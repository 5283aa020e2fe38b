/* s3_fetch.h -- reads from a bucket: one request after another, and again after a pause where that may help.
 *
 * What to ask and what an answer means says sinks/s3/reader.h; this one waits and tries again. For the command line:
 * calls block.
 *
 * Ownership  s3_fetch_close(); the reader is borrowed until then. Threads: one.
 */
#ifndef PIPELINE_REDRIVE_S3_FETCH_H
#define PIPELINE_REDRIVE_S3_FETCH_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "sinks/s3/list.h"
#include "sinks/s3/reader.h"

struct s3_fetch;

enum s3_fetch_outcome {
    S3_FETCH_DONE,
    S3_FETCH_REFUSED, /* this cannot be had; something else may be */
    S3_FETCH_AWAY,    /* tried several times: the store does not answer, or not properly */
};

MUST_CHECK int s3_fetch_open(struct s3_fetch **b, const struct s3_reader *reader, struct err *e);
void s3_fetch_close(struct s3_fetch **b);

/* `token`: empty for the first page, then what the page before says; not in `page` itself. */
MUST_CHECK enum s3_fetch_outcome s3_fetch_list(struct s3_fetch *b, struct slice prefix, struct slice token,
                                               struct s3_list_page *page, struct err *e);
/* The ETag of an object. */
struct bucket_tag {
    char text[256]; /* "": not known as yet */
};

/* A piece of the object as it is stored, of as many bytes as were asked for. Pieces with the same `tag`, which the first fills, are
 * of the same version of the object: another one is refused. */
MUST_CHECK enum s3_fetch_outcome s3_fetch_get(struct s3_fetch *b, struct slice key, const struct s3_piece *piece,
                                              struct bucket_tag *tag, struct buf *out, struct err *e);

#endif
