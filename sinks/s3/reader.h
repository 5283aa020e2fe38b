/* reader.h -- how a bucket is read: the requests for its listing and for an object, and what an answer that is
 * neither means. The counterpart of the sink `s3`, with its options.
 *
 * No I/O: whoever uses it sends the requests (pipeline/redrive/s3_fetch.h).
 *
 * Ownership  s3_reader_free(). What the conf points to must live as long; the conf itself need not.
 * Threads    immutable once open: any.
 */
#ifndef SINKS_S3_READER_H
#define SINKS_S3_READER_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "pipeline/http/message.h"
#include "sinks/s3/options.h"
#include "sinks/sink.h"

struct s3_reader;

/* Of `c` those options count that say which bucket, where, with what keys and how to trust. `place` is what their names
 * begin with in messages, see struct s3_context; static. */
MUST_CHECK int s3_reader_open(struct s3_reader **r, const struct s3_conf *c, const char *place, const char *base_dir,
                              struct err *e);
void s3_reader_free(struct s3_reader **r);

const char *s3_reader_endpoint(const struct s3_reader *r);
const char *s3_reader_region(const struct s3_reader *r);

/* A piece of an object, or all of it: then it is asked for without a range, which every store understands. */
struct s3_piece {
    uint64_t from, n, size; /* at most `n` of an object of `size` bytes; size 0: not known, and it should be all */
    const char *tag; /* its ETag, when a piece of it has come already: another version is refused. NULL or "": any */
};

/* A page of the listing (s3/list.h), or a piece of an object. */
MUST_CHECK int s3_reader_list(const struct s3_reader *r, struct slice prefix, struct slice token, nsec wall_now,
                              struct http_request *rq, struct err *e);
MUST_CHECK int s3_reader_get(const struct s3_reader *r, struct slice key, const struct s3_piece *piece, nsec wall_now,
                             struct http_request *rq, struct err *e);

bool s3_piece_is_all(const struct s3_piece *p);

/* `key`: of the object; the prefix for a listing. */
enum sink_outcome s3_reader_judge(const struct s3_reader *r, struct slice key, const struct http_response *re,
                                  struct sink_verdict *v);

#endif
