/* multipart.h -- a large object goes up in parts: what each request asks, and what its answer says.
 *
 *     LIST      GET    ?uploads&prefix=NAME           which uploads of this name are there?
 *     CREATE    POST   ?uploads                       with the headers of the object; answers the upload's id
 *     PART      PUT    ?partNumber=N&uploadId=ID      any number of them at once; each answers an ETag
 *     COMPLETE  POST   ?uploadId=ID                   names the parts: the object is there, or is not
 *     LOOK      HEAD                                  after an answer that was lost: is it there, and ours?
 *     ABORT     DELETE ?uploadId=ID                   nobody will complete it
 *
 * The id, and the kind of checksum that the upload was begun with, are the body's progress (sink.h); the ETag and checksum of a part are its
 * tag. So a restart goes on with the same upload. What CREATE or LIST said of the checksum is in it, too: older stores know only a checksum
 * of the parts' checksums, and take one of the whole object at COMPLETE for a wrong one.
 *
 * Before CREATE the progress says that one is about to begin (an intent: there is no id yet), and it is in the journal before the request goes
 * out. So no upload of ours exists that the journal knows nothing of, whatever is killed and whichever answer is lost:
 *
 *     no intent          nobody has begun one: what LIST finds of this name belongs to others or to the past, and is not gone on with
 *     an intent          the answer of CREATE was lost, or CREATE never came: what LIST finds is that upload
 *     a crowded intent   there were uploads of this name before CREATE: which one is it? None is gone on with, another one begins
 *
 * Where more than one upload may have been begun, or it is not known of one what it was begun with, the progress stays `unsure`. When the
 * object is complete, or is given up, everything that is left under its name is listed and aborted. Names are those of one seal of one
 * stream (object_key.h), so nobody else has uploads there.
 *
 * Pure functions.
 */
#ifndef SINKS_S3_MULTIPART_H
#define SINKS_S3_MULTIPART_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/http/message.h"
#include "sinks/s3/options.h"
#include "sinks/sink.h"

#include <stdbool.h>

enum s3_step { S3_PUT, S3_LIST, S3_CREATE, S3_PART, S3_COMPLETE, S3_LOOK, S3_ABORT };

#define S3_UPLOAD_ID_MAX (SINK_PROGRESS_MAX - 24)

struct s3_upload {
    enum s3_checksum kind;
    bool whole;         /* the store says that its checksum is of the whole object (FULL_OBJECT) */
    bool listed;        /* it was found: nobody knows what it was begun with */
    bool unsure;        /* there may be another one of this name */
    bool crowded;       /* of an intent: there was one before CREATE */
    struct slice place; /* where, and with whose key: S3_PLACE_CHARS letters */
    struct slice id;    /* empty: an intent */
};

#define S3_PLACE_CHARS 8

/* As x-amz-checksum-algorithm has it; NULL: an upload does not begin with this kind. */
const char *s3_checksum_algorithm(enum s3_checksum kind);

/* What an upload begins with; `manner`: learnt.h. */
enum s3_checksum s3_upload_checksum(const struct s3_conf *c, unsigned manner);

/* False: it is nothing that we wrote. The id is borrowed. */
MUST_CHECK bool s3_upload_read(struct slice progress, struct s3_upload *out);
/* What LIST and CREATE stand at: one is about to begin, or was begun and nobody has its id. */
bool s3_is_intent(struct slice progress);
/* -1: out is full, and is as it was. */
MUST_CHECK int s3_upload_write(const struct s3_upload *u, struct buf *out);

/* The query of a step, in the order in which it is signed; `u` is needed from PART on. */
MUST_CHECK int s3_step_query(enum s3_step step, const struct s3_upload *u, const struct sink_seal *seal,
                             struct buf *out);

/* What the answers say, in u->id and u->whole. `out` has room for S3_UPLOAD_ID_MAX bytes, and holds the id. */
MUST_CHECK bool s3_upload_begun(const struct http_response *re, struct s3_upload *u, struct buf *out);
/* How many uploads of just this name a listing has. u->id: the first of them with u->kind of checksum, as far as the listing says;
 * `any`: whatever it has; empty: there is none. */
size_t s3_uploads_found(struct slice xml, struct slice name, bool any, struct s3_upload *u, struct buf *out);
/* Each part of such an upload must have its checksum, and the body's digests lack it. */
bool s3_upload_lacks_digest(enum s3_checksum kind, const struct sink_seal *seal);
/* False: no ETag, or one that is no tag; or the checksum is not there. */
MUST_CHECK bool s3_part_tag(enum s3_checksum kind, const struct sink_seal *seal, const struct http_response *re,
                            struct sink_tag *out);
/* The body of COMPLETE. NULL: a tag is none of ours. */
char *s3_complete_text(const struct s3_upload *u, const struct sink_seal *seal);
/* S3 says 200 at once, then white space for as long as it takes, and then how it went. */
bool s3_is_completed(const struct http_response *re);

#endif
