/* sink.h -- what every destination implements.
 *
 * A sink for an HTTP-shaped destination knows two things: how to ask (request) and how to read the answer (judge). It
 * does no I/O, keeps no timers, counts nothing and logs nothing; attempts, back-off, retry duration, backup and metrics
 * are done once, in pipeline/delivery/delivery.c, for all of them. A destination that is not HTTP (file) implements send()
 * instead, which may block and runs on a small pool. A sink is one file with one const struct sink_ops at its bottom
 * and one row in registry.c.
 *
 * Threads    all functions but open and close run on any thread, for several seals at once: they only read `state`.
 * Ownership  everything in sink_seal is borrowed for the call.
 */
#ifndef SINKS_SINK_H
#define SINKS_SINK_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/body.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/partition_key.h"
#include "pipeline/http/message.h"

#include <stdbool.h>
#include <stdint.h>

enum sink_outcome {
    SINK_DELIVERED, /* every record acknowledged */
    SINK_PARTIAL,   /* verdict.outcomes holds one outcome per record */
    SINK_RETRY,     /* nothing known to be acknowledged; a later attempt may work */
    SINK_REJECTED,  /* refused for good, whatever is tried: to the backup */
    SINK_SPLIT,     /* too large for the far end (413): try again in halves */
    SINK_FOLLOW_UP, /* taken, not yet acknowledged: ask again, see sink_seal.follow_up */
};

/* Who and where: the same for all seals of a stream. */
struct sink_env {
    const char *stream;
    const unsigned char *identity; /* 16 bytes, spool_identity() */
    uint32_t version;              /* spool_config_version() */
    const char *base_dir;          /* folder of the YAML file: relative paths start there */
    const char *tmp_dir;
    bool backup; /* it is the stream's backup: error objects go there, and source records */
};

/* What names a seal: the input of object keys and ids. Never the clock at delivery. */
struct sink_seal_id {
    uint64_t first, last; /* records */
    nsec oldest;          /* wall arrival of the oldest record */
    uint64_t epoch;       /* of the run that sealed it: seal_identity.h */
    uint64_t
        window; /* 0: all of the seal's records. Otherwise the body holds some of them, because it was too large or because
                      * they went different ways; bodies of one seal that may both be accepted differ in it */
    struct slice
        keys; /* partition keys that all of its records share: key_set.h; empty: none, or several. With the record's
                             * time (partition_key.h) where !{timestamp:...} is that, not `oldest` */
    const char *error_type; /* what !{firehose:error-output-type} says: an error object in the backup; NULL otherwise */
};

/* What the step that completes a body must know of one of its ranges: an ETag, perhaps a checksum. */
struct sink_tag {
    char text[SINK_TAG_MAX];
};

enum { SINK_SHA256 = 1, SINK_CRC32C = 2, SINK_CRC64NVME = 4, SINK_MD5 = 8 };

struct sink_digests {
    unsigned
        made; /* SINK_SHA256 | ...: which of them are there. With digests_of() it may be another set than is asked for now */
    unsigned char sha256[32], md5[16];
    uint32_t crc32c;
    uint64_t crc64nvme;
};

struct sink_seal {
    struct sink_seal_id id;
    struct slice name;       /* what name() answered when it was sealed: the object key; or empty */
    const struct body *body; /* encoded and compressed, ready for the wire */
    const char *encoding;    /* "gzip", "zstd", or NULL */
    const char *content_type;
    struct sink_digests digest; /* of the body: those that ops.digests asks for */
    uint64_t record_count;
    nsec wall_now; /* for signatures */

    /* 0: request() makes the request that carries the body. After SINK_FOLLOW_UP the same attempt goes on: once
     * verdict.retry_after is over request() is called again with follow_up one higher and the verdict's token, and
     * judge() gets the answer with the same seal; until it says something else. */
    unsigned follow_up;
    const char *token; /* of the verdict before; NULL for follow_up 0 */

    /* Of sink_ops.steps, else all empty; README.md, "Several steps". What is here was written by judge() or send(), in this run or
     * before a crash, for the very same bytes under the same name. */
    struct slice progress; /* what was last written to verdict.progress; empty: it begins anew */
    uint32_t
        range; /* 0: a step of the whole. Else this request sends bytes of the body, and is number `range` of them: */
    uint64_t range_from;         /* ... from here */
    uint64_t range_bytes;        /* ... so many; body digests are then those of the range */
    const struct sink_tag *tags; /* range 0, all ranges are there: what was said of each, in order; else NULL */
    uint32_t tag_count;
    bool one_step; /* there is no place for progress: it must go in one step */
    bool undo;     /* there is no body: what `progress` tells of is to be removed, nobody will complete it */
    bool alone; /* with undo: no other body goes to the target under this name, so all that is there under it may go */
};

/* Of request(), which has made nothing then. */
enum {
    SINK_NOT_YET = 1, /* to be called again a few milliseconds later */
    SINK_ANEW =
        2, /* what `progress` tells of cannot be gone on with, nor with `undo` be removed. The message says why */
};

/* A record as a sink that shapes its own body sees it. `part` counts the records that a transform made of one: (seq,
 * part, epoch) is unique in a stream and all copies of its data_dir, and the same on every attempt. */
struct sink_record {
    struct slice data;
    uint64_t seq;
    uint32_t part;
    uint64_t epoch;    /* of the seal it is in */
    nsec arrival;      /* wall */
    struct slice keys; /* its partition keys: key_set.h */
    bool is_object;    /* the data is known to be one JSON object, no deeper than JSON_DEPTH_MAX */
};

#define SINK_SAID_MAX 384 /* bytes of what a far end said, with NUL */

/* Why one record cannot go, or did not go, to this destination. For error objects: it may quote the record, but has no secrets. */
struct sink_refusal {
    char code[64];
    char message[512];
    size_t
        own; /* so many bytes of the message are the sink's words and quote nothing; what follows them was said by the far end */
};

/* What one body may hold; 0: no bound of the destination's own. */
struct sink_limits {
    uint64_t body_bytes; /* before compression */
    uint64_t records;
};

/* An outcome per record, in the order of the body; filled by judge() when it answers SINK_PARTIAL. */
struct sink_outcomes {
    unsigned char *outcome; /* enum sink_outcome: DELIVERED, RETRY or REJECTED */
    uint64_t count;
    void (*refuse)(struct sink_outcomes *f, uint64_t index, const char *code, struct slice message); /* sets REJECTED */
};

/* What came of an attempt. Texts are for the operator: what happened, where, what to do.
 *
 * A sink writes `message` in words of its own and puts what the far end said into `said`, and nothing of it into message and hint:
 * it may quote records, or repeat our credentials. The pipeline alone puts the two together (answer/clean.h, answer_finish()):
 * with what is quoted cut out into `message`, which goes to log, page and /readyz; in full into `detail`, which goes to the backup,
 * where the records are anyway. */
struct sink_verdict {
    struct sink_outcomes *outcomes; /* set before judge() is called when the body is made of records; else NULL */
    nsec retry_after;               /* 0: the pipeline's own back-off */
    bool misconfigured;       /* wrong credentials, missing bucket, DNS, certificate: report loudly, retry slowly */
    char code[64];            /* NoSuchBucket; http status when the far end gave none; for error objects and metrics */
    char message[512];        /* bucket `logs` does not exist at http://127.0.0.1:8333 */
    char hint[256];           /* create it, or correct destination.s3.bucket; may be empty */
    char said[SINK_SAID_MAX]; /* The specified bucket does not exist; one line of UTF-8, may be empty */
    char detail[512 + SINK_SAID_MAX];
    size_t own;     /* so many bytes of the detail are the sink's words */
    char token[64]; /* SINK_FOLLOW_UP: what the next request() must know */
    /* Of sink_ops.steps; set before judge() or send() is called for a step of the whole, empty; NULL: there is no place for it, and
     * the body must go in one step. Who has got part of the way writes what must be known to go on (SINK_PROGRESS_MAX bytes) and
     * says `progressed`; it replaces what was there. With SINK_FOLLOW_UP the next step comes once that is safe in the journal. Where
     * no ranges have been asked for it says nothing of the bytes: another body of the same records and name goes on with it. With
     * `undo` it is kept for the steps of this run, and not in the journal. */
    struct buf *progress;
    bool progressed;
    uint64_t
        range_bytes; /* with `progressed`: from now on the body goes in ranges of this; more, where SINK_RANGES_MAX asks for it */
    struct sink_tag tag; /* SINK_DELIVERED of a range: what the last step must know of it */
    bool begin_anew;     /* what `progress` tells of is gone, or of no use; with SINK_RETRY */
    bool leaves; /* ... and not gone: it is to be undone; with SINK_DELIVERED: so is what may be left beside the body */
};

/* An option that may hold !{...}: what is filled in is a partition key or a time of the object, or of each record. */
struct sink_template {
    const char *option, *text; /* as in the file; text NULL: left out */
    const char
        *implied; /* pattern of a time that is put in without !{timestamp:...}: default folders, a rotation; or NULL */
    const char *timezone; /* of its times; NULL: UTC */
    size_t max; /* bytes that it may have when it is filled in; 0: no bound that holds for each record alone */
    /* Where what stands between two slashes is the name of a folder or a file, bytes that such a name may have; 0: no bound. And how many
     * follow the text in the last one, the stream's name not counted. */
    size_t name_max, tail;
    enum partition_form form; /* how values are put in */
};

/* Who answers where several products and versions might. For people. */
struct sink_identity {
    char who[96];      /* OpenSearch 2.19.5; "": it does not say */
    char warning[256]; /* why it may not work well; "": it will */
    char hint[256];
};

/* What kind of destination the Firehose API shows, and so by which member of a description. */
enum sink_firehose_kind {
    SINK_FIREHOSE_S3,
    SINK_FIREHOSE_ELASTICSEARCH,
    SINK_FIREHOSE_OPENSEARCH,
    SINK_FIREHOSE_SERVERLESS, /* Amazon OpenSearch Serverless */
    SINK_FIREHOSE_HTTP,
    SINK_FIREHOSE_SPLUNK,
};

struct sink_firehose {
    const char *region, *account; /* for ARNs */
    bool extended; /* ExtendedS3DestinationDescription is asked for, not the older S3DestinationDescription */
    enum sink_firehose_kind kind; /* the answer */
};

struct sink_ops {
    const char *name;                          /* what users write in YAML: s3, file */
    const char *help;                          /* one line for the manual */
    const struct cfg_field *fields;            /* options; ends with a NULL name */
    size_t conf_size;                          /* of the struct that `fields` describes */
    unsigned digests;                          /* SINK_SHA256 | ...: which digests of the body it needs */
    unsigned (*digests_of)(const void *state); /* the same where it depends on options; NULL: digests */
    bool steps;                                /* a body may go in several steps: README.md, "Several steps" */
    nsec retry_duration;                       /* default of retry.duration */
    const char *error_prefix; /* "http-endpoint-failed"; what !{firehose:error-output-type} says for its failures */
    const char *(*error_prefix_of)(const void *state); /* the same where it depends on options; NULL: error_prefix */
    const char *metric;                                /* label in metrics: s3, file */

    /* Reports every mistake in the options (config/options.h), also when some of them could not be bound and are zero. NULL:
     * what open() says is all there is. */
    void (*check_conf)(const void *conf, const struct sink_env *env, const struct cfg_options *o);

    /* Its options with !{...}, by number; false behind the last. Of some the option may be unbound: NULL. NULL: it has none. All
     * records of one body have the same keys (sink_seal_id.keys), unless keys_of_records: then each has its own (sink_record.keys). */
    bool (*template_at)(const void *conf, size_t index, struct sink_template *out);
    bool keys_of_records;

    /* `conf` outlives the state. Checks what can be checked without the far end; *e begins with the option it is about. */
    MUST_CHECK int (*open)(void **state, const void *conf, const struct sink_env *env, struct err *e);
    void (*close)(void **state);

    /* The object's name, from the seal alone: called once when sealed, stored in the journal. NULL: objects have no
     * names. */
    MUST_CHECK int (*name_object)(const void *state, const struct sink_seal_id *id, const char *extension,
                                  struct buf *out, struct err *e);

    /* Destinations that shape the body from records themselves (_bulk, Firehose's HTTP format): all three, and the
     * stream's format is not used; NULL: the stream's format makes the body. The codec compresses in both cases.
     * Workers; pure functions. head and tail: 0, or -1 when out is full. record: 1 appended; 0 it can never be sent
     * there (why is filled, in words of its own that quote nothing of the record; nothing appended: it goes to the backup); -1
     * out is full. */
    MUST_CHECK int (*head)(const void *state, const struct sink_seal_id *id, struct buf *out);
    MUST_CHECK int (*record)(const void *state, const struct sink_record *r, bool first, struct buf *out,
                             struct sink_refusal *why);
    MUST_CHECK int (*tail)(const void *state, struct buf *out);
    const char *content_type;                                   /* of such a body */
    void (*limits)(const void *state, struct sink_limits *out); /* NULL: no bounds */
    /* Members for the error line of a refused record: `,"esDocumentId":"..."`. NULL: none. -1: out is full. */
    MUST_CHECK int (*describe_record)(const void *state, const struct sink_record *r, struct buf *out);

    /* Can the far end undo this compression? For `validate` and start. NULL: any. */
    bool (*takes_encoding)(const void *state, const char *encoding);

    /* HTTP-shaped: both. Otherwise both NULL. The delivery loop sends seal->body as the request's body. Neither waits for
     * anything; request() may say SINK_NOT_YET while what it needs is being read elsewhere (keys, certificates). When it fails the
     * message says what is wrong, and behind the last "; " what to do: the log shows them as cause and hint. */
    MUST_CHECK int (*request)(const void *state, const struct sink_seal *seal, struct http_request *rq, struct err *e);
    enum sink_outcome (*judge)(const void *state, const struct sink_seal *seal, const struct http_response *re,
                               struct sink_verdict *v);

    /* HTTP-shaped, where the far end can say who it is: both. A question that goes out beside the first attempt; nothing waits for
     * the answer. identify: 1 asked, 0 there is nothing to ask, -1 it cannot be asked. identified: false when it is to be asked again
     * later. */
    MUST_CHECK int (*identify)(const void *state, nsec wall_now, struct http_request *rq, struct err *e);
    bool (*identified)(const void *state, const struct http_response *re, struct sink_identity *g);

    /* Not HTTP-shaped: one blocking attempt, or one step of it. Delivered means safe at the far end (synced). */
    enum sink_outcome (*send)(const void *state, const struct sink_seal *seal, struct sink_verdict *v);

    /* Where it writes files: the path (absolute) of the one that this seal's object becomes. NULL: it writes none. */
    MUST_CHECK int (*local_file)(const void *state, const struct sink_seal_id *id, const char *extension,
                                 struct buf *out);

    /* Where it posts, as "HOST:PORT/PATH": for who looks whether an input of ours is there. Of several places the first. NULL: it posts nowhere that an
     * input could be. -1: there is no room. */
    MUST_CHECK int (*posts_to)(const void *state, struct buf *out);

    /* What must hold before the first record: paths writable, ...; for `validate` and start. No network. May be NULL.
     */
    MUST_CHECK int (*check)(const void *state, struct err *e);

    /* Where the keys come from that it signs with: "the environment"; for `validate`. May read files, asks nobody. "": there are
     * none. NULL: it never signs. */
    void (*keys_from)(const void *state, char *out, size_t size);

    /* "s3://logs/app/ at http://127.0.0.1:8333": for people; no secrets. */
    void (*describe)(const void *state, struct buf *out);

    /* For DescribeDeliveryStream: says of which kind it is, and appends the members that only it has, each with a comma behind it:
     * `"BucketARN":"arn:aws:s3:::logs",`. No secrets. -1: out is full. Source: Firehose API reference, DestinationDescription. */
    MUST_CHECK int (*firehose)(const void *conf, struct sink_firehose *f, struct buf *out);
};

const struct sink_ops *sink_find(const char *name);
const struct sink_ops *sink_at(size_t index); /* the registry in order; NULL behind the last */

#endif
