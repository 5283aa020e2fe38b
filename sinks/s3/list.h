/* list.h -- ListObjectsV2: the query that asks for a page of a bucket's objects, and the page that is answered.
 *
 * The answer is somebody else's: what is no listing, is cut off, has keys that do not begin as was asked, or says that
 * there is more and not how to get it, is an error in words.
 *
 * Pure. Ownership: s3_list_page_init() to s3_list_page_release(); keys are borrowed from the page until it is read
 * again. Threads: one.
 */
#ifndef SINKS_S3_LIST_H
#define SINKS_S3_LIST_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define S3_KEY_MAX 1024

struct s3_list_object {
    size_t at, n;  /* its key in `keys` */
    uint64_t size; /* bytes */
    nsec modified; /* wall, whole seconds; NSEC_NEVER: not told */
};

struct s3_list_page {
    struct buf keys, objects; /* of struct s3_list_object */
    size_t count;
    struct buf next; /* what asks for the page behind this one; empty: this is the last */
};

void s3_list_page_init(struct s3_list_page *page);
void s3_list_page_release(struct s3_list_page *page);

/* The query of the request, without '?'. `token`: the `next` of the page before; empty for the first. -1: out is full.
 */
MUST_CHECK int s3_list_query(struct slice prefix, struct slice token, struct buf *out);

/* Reads the body of a 200. -1 with what is wrong about it. */
MUST_CHECK int s3_list_read(struct slice xml, struct slice prefix, struct s3_list_page *page, struct err *e);

/* A key of a listing with <EncodingType>url</EncodingType>, in place; like a form's field: a blank is a plus. -1: it is not in that
 * encoding. */
MUST_CHECK int s3_list_decode_url(char *p, size_t *n);

const struct s3_list_object *s3_list_at(const struct s3_list_page *page, size_t i);
struct slice s3_list_key(const struct s3_list_page *page, size_t i);

#endif
