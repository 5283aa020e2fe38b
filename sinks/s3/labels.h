/* labels.h -- what an object carries beside its bytes in an operator's words: names and texts, as tags or as metadata. The texts
 * may hold Firehose's expressions, as object names do.
 *
 * What comes of an expression may be anything, and no record may hold up a stream because a store does not like its words: in a tag, what S3
 * does not take there becomes `_`, and what is longer than a tag may be is cut; metadata that is not ASCII is written as RFC 2047 says,
 * which S3 understands.
 *
 * Ownership  s3_labels_release(). Threads: the main thread binds; immutable then.
 */
#ifndef SINKS_S3_LABELS_H
#define SINKS_S3_LABELS_H

#include "config/bind.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/message.h"
#include "sinks/names/object_key.h"

struct s3_label {
    char *name, *text;
};

struct s3_labels {
    struct s3_label *v;
    size_t n;
    char *line; /* tags that were written as name=value&name=value, escaped as in a URL; NULL: as a mapping */
};

#define S3_LABELS_SYNTAX "mapping of names to texts"
#define S3_TAGS_SYNTAX   "mapping of names to texts, or name=value&name=value"

/* For cfg_field.bind and .release of a struct s3_labels. */
void s3_labels_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void s3_tags_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void s3_labels_release(void *out);

/* What is wrong with number `i`: -1 with a message that begins with the option, `tagging`, `metadata` or `kms_context`. With
 * i == n what is wrong with all of them together. */
MUST_CHECK int s3_tags_check(const struct s3_labels *l, size_t i, struct err *e);
MUST_CHECK int s3_metadata_check(const struct s3_labels *l, size_t i, struct err *e);
MUST_CHECK int s3_context_check(const struct s3_labels *l, size_t i, struct err *e);

/* Adds x-amz-tagging, x-amz-meta-NAME. -1: there is no room. */
MUST_CHECK int s3_tags_add(const struct s3_labels *l, const struct object_key *k, const struct sink_seal_id *id,
                           struct http_request *rq);
MUST_CHECK int s3_metadata_add(const struct s3_labels *l, const struct object_key *k, const struct sink_seal_id *id,
                               struct http_request *rq);
/* An encryption context as its header wants it: JSON in base64. NULL: there is none. */
char *s3_context_text(const struct s3_labels *l);

#endif
