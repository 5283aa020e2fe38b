/* answer.h -- what S3 and its relatives answer to a PutObject, or to a request that reads, turned into a verdict an
 * operator can act on.
 *
 * One table says per error code what happened and what to do; a second one says it per status where no code is known.
 * Nothing is ever SINK_REJECTED: like Firehose, S3 delivery is retried until its time is up, because every refusal of
 * S3 can be corrected from outside.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_S3_ANSWER_H
#define SINKS_S3_ANSWER_H

#include "pipeline/http/message.h"
#include "sinks/s3/options.h"
#include "sinks/sink.h"

/* What messages name; never NULL, never a secret. */
struct s3_context {
    const char *place; /* what an option's name begins with: destination.s3. in the YAML, --s3- on the command line */
    const char *bucket, *endpoint, *region;
    const char *access_key_id, *key_source;
    struct slice key;
    uint64_t size;
    enum s3_checksum checksum; /* that the object was sent with */
    bool payload_unsigned;     /* the signature did not cover the body */
    const struct sink_seal *seal;
    bool others;        /* `advice` names options to leave out */
    const char *advice; /* which options to leave out, should it be one that the store does not know */
    /* What the answer has taught, so that the next request is made otherwise (learnt.h): */
    bool follows_region, corrects_clock, drops_checksum, drops_whole;
};

/* What an answer may teach. */
struct s3_lesson {
    char region[S3_REGION_MAX]; /* "": none. The bucket's, which is not the one that the request was for */
    bool clock;                 /* it says that the clocks differ: */
    nsec clock_error;           /* theirs minus ours */
    bool no_checksum;           /* it does not know the checksum */
};

void s3_answer_lesson(const struct s3_context *c, const struct http_response *re, struct s3_lesson *out);

enum sink_outcome s3_answer_judge(const struct s3_context *c, const struct http_response *re, struct sink_verdict *v);

/* The words for an answer that is no success. `oddity`: what is odd about one that says it is. */
enum s3_oddity { S3_ODD_NOTHING, S3_ODD_UPLOAD, S3_ODD_PART, S3_ODD_END, S3_ODD_UPLOADS };
enum sink_outcome s3_answer_explain(const struct s3_context *c, const struct http_response *re, enum s3_oddity oddity,
                                    struct sink_verdict *v);

/* An object of this name is there already: the answer to a HEAD for it, as a verdict on ours. SINK_DELIVERED: it is ours. `gone`: the
 * question is whether one is there, since its upload is not, and otherwise it begins anew. */
enum sink_outcome s3_answer_judge_look(const struct s3_context *c, const struct http_response *re, bool gone,
                                       struct sink_verdict *v);

/* The same for an object or a listing that was asked for: SINK_DELIVERED when the body is it. Where the verdict is not
 * `misconfigured`, a later attempt may work. */
enum sink_outcome s3_answer_judge_read(const struct s3_context *c, const struct http_response *re,
                                       struct sink_verdict *v);

/* The header of a checksum, and what it says: bytes, most significant first, in base64; and which digest it is (SINK_CRC32C). Neither of
 * CHECKSUM_NONE nor of CHECKSUM_AUTO. */
unsigned s3_checksum_digest(enum s3_checksum kind);
#define S3_CHECKSUM_TEXT 45 /* with NUL */
/* Other keys may be all it takes. */
bool s3_answer_keys_expired(const struct sink_verdict *v);

const char *s3_checksum_header(enum s3_checksum kind);
void s3_checksum_text(enum s3_checksum kind, const struct sink_seal *seal, char out[S3_CHECKSUM_TEXT]);

#endif
