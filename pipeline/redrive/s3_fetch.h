/* s3_fetch.h -- reads from a bucket: one request after another, and again after a pause where that may help.
 *
 * What to ask and what an answer means says sinks/s3/reader.h; this one waits and tries again. For the command line:
 * calls block.
 *
 * Ownership  bucket_close(); the reader is borrowed until then. Threads: one.
 */
#ifndef PIPELINE_REDRIVE_S3_FETCH_H
#define PIPELINE_REDRIVE_S3_FETCH_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "sinks/s3/list.h"
#include "sinks/s3/reader.h"

struct bucket;

enum bucket_outcome {
    BUCKET_DONE,
    BUCKET_REFUSED, /* this cannot be had; something else may be */
    BUCKET_AWAY,    /* tried several times: the store does not answer, or not properly */
};

MUST_CHECK int bucket_open(struct bucket **b, const struct s3_reader *reader, struct err *e);
void bucket_close(struct bucket **b);

/* `token`: empty for the first page, then what the page before says; not in `page` itself. */
MUST_CHECK enum bucket_outcome bucket_list(struct bucket *b, struct slice prefix, struct slice token,
                                           struct s3_list_page *page, struct err *e);
/* The ETag of an object. */
struct bucket_tag {
    char text[256]; /* "": not known as yet */
};

/* A piece of the object as it is stored, of as many bytes as were asked for. Pieces with the same `tag`, which the first fills, are
 * of the same version of the object: another one is refused. */
MUST_CHECK enum bucket_outcome bucket_get(struct bucket *b, struct slice key, const struct s3_piece *piece,
                                          struct bucket_tag *tag, struct buf *out, struct err *e);

#endif
