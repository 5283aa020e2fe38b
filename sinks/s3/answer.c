/* S3 says in <Code> what is wrong, and hundreds of stores imitate it, each in its way: some leave the code out, cut the text off or send
 * HTML. So the code is looked up first, then the status (sinks/answer/explain.h); what the tables do not know is still shown
 * in the server's own words. */
#include "sinks/s3/answer.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/compiler.h"
#include "sinks/answer/explain.h"
#include "sinks/answer/text.h"
#include "sinks/answer/words.h"
#include "sinks/s3/headers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CODE_MAX 64
#define TEXT_MAX 200

/* In message and hint: %b bucket, %e endpoint, %r our region, %R the region the answer names, %a access key, %f where it came from,
 * %k object, %n its size, %m (at the end of a message) the server's own words, %w the transport's, %o options to leave out, %u what
 * else to try where the signature does not cover the body, %t the clock's error, %l where it redirects to, %c code, %s status,
 * %p what the names of options begin with (destination.s3.), %A the option `endpoint`. */

#define READ_RIGHTS  "allow it s3:ListBucket and s3:GetObject on `%b`, or use other keys (these come from %f)"
#define FOREIGN_HINT "remove it, choose another %pprefix, or set %poverwrite: true"
#define OTHER_KEYS   "use other keys; these come from %f"

/* By the code in <Code>. What may lie in one object, or passes by itself, is nothing that somebody must act upon. */
static const struct answer_row CODES[] = {
    {"NoSuchBucket", ANSWER_ACT, "bucket `%b` does not exist at %e", "create it, or correct %pbucket"},
    {"InvalidBucketName", ANSWER_ACT, "%e says that `%b` is not a bucket's name", "correct %pbucket"},
    {"AccessDenied", ANSWER_ACT, "access key `%a` may not write `%k` to bucket `%b` at %e: %m",
     "allow it s3:PutObject on `%b`, or use other keys (these come from %f)%u"},
    {"AllAccessDisabled", ANSWER_ACT, "all access to bucket `%b` at %e is disabled: %m", "ask whoever owns the bucket"},
    {"AccountProblem|InvalidPayer", ANSWER_ACT, "the account of access key `%a` has a problem at %e: %m",
     "ask whoever owns the account"},
    {"InvalidAccessKeyId|XAdminUserNotFound", ANSWER_ACT, "%e does not know the access key `%a`",
     "correct %paccess_key_id (it comes from %f)"},
    {"SignatureDoesNotMatch", ANSWER_ACT, "%e refused the signature made with access key `%a`",
     "correct %psecret_access_key (the keys come from %f); a proxy that changes the Host header does this too%u"},
    {"RequestTimeTooSkewed|RequestExpired", ANSWER_ACT, "this machine's clock and that of %e differ by %t",
     "set the clock here or there, e.g. with NTP"},
    {"AuthorizationHeaderMalformed", ANSWER_ACT, "%e refused the signature's scope; region is `%r`, it wants `%R`: %m",
     "set %pregion to the bucket's region"},
    {"IllegalLocationConstraintException", ANSWER_ACT, "bucket `%b` is not in region `%r`: %m",
     "set %pregion to the bucket's region"},
    {"PermanentRedirect", ANSWER_ACT, "bucket `%b` is not at %e but in region `%R`, at %l",
     "set %pregion, or correct %pendpoint"},
    {"TemporaryRedirect", ANSWER_PASSES, "bucket `%b` is for now not at %e but at %l",
     "new buckets need up to a day to settle"},
    {"ExpiredToken", ANSWER_ACT, "the session token of access key `%a` has expired",
     "renew the keys; they come from %f, and files are read again when they change"},
    {"TokenRefreshRequired", ANSWER_ACT, "the session token of access key `%a` must be renewed",
     "renew the keys; they come from %f"},
    {"InvalidToken", ANSWER_ACT, "%e does not accept the session token of access key `%a`",
     "correct %psession_token, or leave it out (the keys come from %f)"},
    {"SlowDown|TooManyRequests*", ANSWER_PASSES, "%e asks to slow down: %m", ""},
    {"ServiceUnavailable", ANSWER_PASSES, "%e is not available at the moment: %m", ""},
    {"InternalError", ANSWER_PASSES, "%e had an internal error: %m", ""},
    {"OperationAborted", ANSWER_PASSES, "another operation on bucket `%b` at %e is in the way: %m", ""},
    {"RequestTimeout", ANSWER_PASSES, "%e waited too long for the object's bytes",
     "look at the network between here and there"},
    {"IncompleteBody", ANSWER_PASSES, "%e received less than the whole object", ""},
    {"BadDigest|XAmzContentSHA256Mismatch|XAmzContentChecksumMismatch", ANSWER_PASSES,
     "%e received other bytes than were sent: %m", "look for a proxy that changes request bodies"},
    {"InvalidDigest", ANSWER_PASSES, "%e did not accept the checksum: %m", ""},
    {"EntityTooLarge|MaxMessageLengthExceeded", ANSWER_PASSES, "the object of %n bytes is larger than %e takes: %m",
     "lower buffer.size, or raise the limit of the server or of the proxy before it"},
    {"KeyTooLong*", ANSWER_PASSES, "the object's name is longer than %e takes: `%k`",
     "shorten %pprefix, or the partition keys in it: a store that keeps objects as files takes 255 bytes between two "
     "slashes"},
    {"XMinioInvalidObjectName|InvalidURI", ANSWER_PASSES, "%e takes no object of this name: `%k`", "correct %pprefix"},
    {"InvalidStorageClass", ANSWER_ACT, "%e does not know this storage class: %m", "correct %pstorage_class"},
    {"InvalidTag", ANSWER_ACT, "%e does not accept the tags: %m", "correct %ptagging"},
    {"MetadataTooLarge", ANSWER_PASSES, "the metadata of `%k` is larger than %e takes: %m", "shorten %pmetadata"},
    {"InvalidEncryptionAlgorithmError", ANSWER_ACT, "%e does not accept the encryption: %m",
     "correct %pserver_side_encryption"},
    {"ObjectLockConfigurationNotFoundError|InvalidBucketObjectLockConfiguration|InvalidRetentionPeriod", ANSWER_ACT,
     "bucket `%b` at %e locks no objects (%c): %m", "switch Object Lock on for the bucket, or leave out %pobject_lock"},
    {"PreconditionFailed", ANSWER_PASSES, "an object `%k` is at %e already: %m", FOREIGN_HINT},
    {"NoSuchUpload", ANSWER_PASSES, "%e does not know the upload of `%k` any more; it begins anew", ""},
    {"InvalidPart*|EntityTooSmall", ANSWER_PASSES, "%e does not accept the parts of `%k` (%c): %m",
     "raise %pmultipart.part_size, or %pmultipart.threshold"},
    {"ConditionalRequestConflict", ANSWER_PASSES, "somebody else writes `%k` at %e at the same time: %m", ""},
    {"KMS*|kms*", ANSWER_ACT, "%e cannot use the KMS key (%c): %m",
     "correct %pkms_key_id, or allow access key `%a` to use the key"},
    {"AccessControlListNotSupported", ANSWER_ACT, "bucket `%b` at %e takes no ACLs", "leave out %pacl"},
    {"QuotaExceeded*|XMinioAdminBucketQuotaExceeded", ANSWER_ACT, "the quota of bucket `%b` at %e is used up: %m",
     "raise the quota, or delete objects"},
    {"XMinioStorageFull|InsufficientStorage*", ANSWER_ACT, "the storage at %e is full: %m",
     "give it room, or delete objects"},
    {"ObjectParentIsFile", ANSWER_PASSES, "%e keeps folders as files, and part of `%k` is an object already",
     "choose another %pprefix, or delete that object"},
    {"NotImplemented", ANSWER_ACT, "%e lacks something this request needs: %m", "%o"},
    {"InvalidArgument", ANSWER_ACT, "%e does not accept something of this request: %m", "%o"},
    {"InvalidRequest", ANSWER_PASSES, "%e refused the object (status %s, InvalidRequest): %m", "%o"},
    {"MethodNotAllowed", ANSWER_ACT, "%e does not take objects at this address", "correct %pendpoint"},
    {"IncorrectEndpoint", ANSWER_ACT, "bucket `%b` is not at %e but at %l", "correct %pendpoint"},
    {"NotSignedUp", ANSWER_ACT, "the account of access key `%a` is not signed up at %e: %m",
     "ask whoever owns the account"},
    {"UserProject*", ANSWER_ACT, "%e does not take objects for this project (%c): %m", "ask whoever owns the bucket"},
    {"InvalidAccessPoint*", ANSWER_ACT, "%e says that `%b` is no access point: %m", "correct %pbucket"},
    {"NoSuchAccessPoint*", ANSWER_ACT, "%e says that there is no access point `%b`", "correct %pbucket"},
    {"InvalidSecurity", ANSWER_ACT, "%e does not accept access key `%a`: %m", "use other keys; these come from %f"},
    {"InvalidBucketOwnerAWSAccountID", ANSWER_ACT, "%e does not know the account that is to own the bucket: %m",
     "correct %pexpected_bucket_owner"},
    {"RequestHeaderSectionTooLarge", ANSWER_ACT, "the headers are larger than %e takes", "shorten %ptagging"},
    {0},
};

/* Where the answer has no code, or one that no row knows. */
static const struct answer_row STATUSES[] = {
    {"200", ANSWER_ACT, "%e answered 200 without an ETag, as no S3 server does; it may have kept nothing",
     "correct %pendpoint: is it the S3 port?"},
    {"2*", ANSWER_ACT, "%e answered %s to a PutObject, which S3 answers with 200",
     "correct %pendpoint: is it the S3 port?"},
    {"30*", ANSWER_ACT, "%e redirects to %l (status %s); redirects are not followed", "correct %pendpoint or region"},
    {"401", ANSWER_ACT, "%e does not accept access key `%a` (status %s): %m",
     "correct %paccess_key_id and secret_access_key (they come from %f)"},
    {"403", ANSWER_ACT, "%e forbids access key `%a` to write to bucket `%b` (%c): %m",
     "allow it s3:PutObject on `%b`, or use other keys (these come from %f)"},
    {"404", ANSWER_ACT, "%e found nothing at the bucket's address (%c): %m", "correct %pendpoint and bucket"},
    {"405", ANSWER_ACT, "%e does not take objects at this address", "correct %pendpoint"},
    {"410", ANSWER_ACT, "%e has nothing at the bucket's address any more (%c): %m", "correct %pendpoint and bucket"},
    {"413", ANSWER_PASSES, "the object of %n bytes is larger than %e takes",
     "lower buffer.size, or raise the limit of the server or of the proxy before it"},
    {"421", ANSWER_ACT, "%e is not who answers for this host: %m", "correct %pendpoint, or %paddressing"},
    {"429", ANSWER_PASSES, "%e asks to slow down (%c): %m", ""},
    {"431", ANSWER_ACT, "the headers are larger than %e takes", "shorten %ptagging"},
    {"451", ANSWER_ACT, "%e may not take objects, by law: %m", "ask whoever owns the bucket"},
    ANSWER_STATUSES,
    {"4*", ANSWER_PASSES, "%e refused the object (status %s, %c): %m", ""},
    {"501", ANSWER_ACT, "%e lacks something this request needs (%c): %m", "%o"},
    {"507", ANSWER_ACT, "the storage at %e is full: %m", "give it room, or delete objects"},
    {"5*", ANSWER_PASSES, "%e failed (status %s, %c): %m", ""},
    {"*", ANSWER_ACT, "%e answered %s", "correct %pendpoint: is it an S3 server?"},
    {0},
};

static const struct answer_row FAILURES[] = {
    {"DNS", ANSWER_ACT, "the host of %e does not resolve: %w",
     "correct %pendpoint (or region, bucket), or look at this machine's DNS"},
    ANSWER_FAILURES,
    {0},
};

/* What is said otherwise when an object or a listing was asked for; the keys need not come from the configuration. To one who reads
 * `misconfigured` says that another attempt is of no use: so nothing but 408 and 429 is worth one. */
static const struct answer_row READ_CODES[] = {
    {"NoSuchBucket", ANSWER_ACT, "bucket `%b` does not exist at %e", "correct the bucket's name, or %pendpoint"},
    {"InvalidBucketName", ANSWER_ACT, "%e says that `%b` is not a bucket's name", "correct it"},
    {"NoSuchKey", ANSWER_ACT, "`%k` is not in bucket `%b` at %e any more", ""},
    {"InvalidObjectState", ANSWER_ACT, "`%k` is archived and cannot be read as it is: %m", "restore it first"},
    {"AccessDenied", ANSWER_ACT, "access key `%a` may not read bucket `%b` at %e: %m", READ_RIGHTS},
    {"KMS*", ANSWER_ACT, "%e cannot use the KMS key of `%k` (%c): %m",
     "allow access key `%a` kms:Decrypt with that key"},
    {"InvalidAccessKeyId|XAdminUserNotFound", ANSWER_ACT, "%e does not know the access key `%a`", OTHER_KEYS},
    {"SignatureDoesNotMatch", ANSWER_ACT, "%e refused the signature made with access key `%a`",
     "correct the secret key (the keys come from %f); a proxy that changes the Host header does this too"},
    {"InvalidToken", ANSWER_ACT, "%e does not accept the session token of access key `%a`", OTHER_KEYS},
    {"NotImplemented", ANSWER_ACT, "%e lacks something this request needs: %m", "does it know ListObjectsV2?"},
    {"InvalidArgument", ANSWER_ACT, "%e does not accept something of this request: %m", ""},
    {"MethodNotAllowed", ANSWER_ACT, "%e gives no objects at this address", "correct %pendpoint"},
    {0},
};

static const struct answer_row READ_STATUSES[] = {
    {"2*", ANSWER_ACT, "%e answered %s, where S3 says 200", "correct %pendpoint: is it the S3 port?"},
    {"401", ANSWER_ACT, "%e does not accept access key `%a` (status %s): %m", OTHER_KEYS},
    {"403", ANSWER_ACT, "%e forbids access key `%a` to read bucket `%b` (%c): %m", READ_RIGHTS},
    {"404", ANSWER_ACT, "%e found nothing at this address (%c): %m", "correct %pendpoint, or the bucket's name"},
    {"405", ANSWER_ACT, "%e gives no objects at this address", "correct %pendpoint"},
    {"408", ANSWER_PASSES, "%e waited too long for the request", ""},
    {"429", ANSWER_PASSES, "%e asks to slow down (%c): %m", ""},
    {"4*", ANSWER_ACT, "%e refused the request (status %s, %c): %m", ""},
    {0},
};

static const struct answer_row READ_FAILURES[] = {
    {"TLS", ANSWER_ACT, "no TLS connection to %e: %w",
     "if the server's certificate is from a private CA, name it in tls.ca_file of the bucket's options in the YAML"},
    {"Timeout", ANSWER_PASSES, "%e did not answer in time: %w",
     "if the network is slow, raise timeout of the bucket's options in the YAML"},
    {0},
};

static const struct answer_row CORRUPTED = {"", ANSWER_PASSES, "%e stored other bytes than were sent",
                                            "look for a proxy that changes request bodies"};

/* What was learnt; the next attempt knows it. */
static const struct answer_row FOLLOWS = {
    "", ANSWER_PASSES, "bucket `%b` is in region `%R`, not in `%r`; from now on requests are made for `%R`",
    "set %pregion: %R"};
static const struct answer_row CORRECTS = {
    "", ANSWER_PASSES,
    "this machine's clock and that of %e differ by %t; from now on requests are signed with the time there",
    "set the clock here or there, e.g. with NTP"};
static const struct answer_row DROPS = {
    "", ANSWER_PASSES,
    "%e does not take x-amz-checksum headers (%c); from now on objects go with Content-MD5 instead: %m",
    "set %pchecksum: md5, and it is not tried with the next start"};

static const struct answer_row DROPS_WHOLE = {"", ANSWER_PASSES,
                                              "%e takes the checksum of `%k` for another one when its parts are put "
                                              "together (%c); it begins anew, and from now on "
                                              "objects that go in parts have none: %m",
                                              "set %pchecksum: md5, and it is not tried with the next start"};

/* To who looks at the object that is in the way. */
static const struct answer_row FOREIGN = {"", ANSWER_PASSES, "an object `%k` that is not this one is at %e already",
                                          FOREIGN_HINT};
static const struct answer_row LOOK_STATUSES[] = {
    {"403", ANSWER_ACT,
     "an object `%k` is at %e already, and access key `%a` may not look whether it is this one, after an answer was "
     "lost",
     "allow it s3:GetObject on `%b`"},
    {"404", ANSWER_PASSES, "an object `%k` was in the way at %e, and is gone now", ""},
    {0},
};

/* To who looks because the upload is gone. */
#define UPLOAD_GONE "%e does not complete the upload of `%k` any more, "
static const struct answer_row GONE_STATUSES[] = {
    {"200", ANSWER_PASSES, UPLOAD_GONE "and has another object of this name; it begins anew", ""},
    {"403", ANSWER_PASSES, UPLOAD_GONE "and access key `%a` may not look whether the object is there; it begins anew",
     "allow it s3:GetObject and s3:ListBucket on `%b`"},
    {"404", ANSWER_PASSES, UPLOAD_GONE "and has no such object; it begins anew", ""},
    {0},
};

/* What was found in the answer, for the texts. */
struct found {
    const struct s3_context *c;
    int status;
    nsec skew; /* ours minus theirs */
    bool skew_known;
    char code[CODE_MAX], said[SINK_SAID_MAX], region[64], location[TEXT_MAX];
    const char *why; /* what the transport says */
};

/* Names that the far end gives; "" where it is not one. */
static void find_name(const struct http_response *re, const char *tag, char *out, size_t size)
{
    answer_xml(re->body, tag, out, size);
    if (!answer_is_name(out))
        out[0] = '\0';
}

static void find(struct found *f, const struct http_response *re)
{
    struct slice region = http_response_header(re, "x-amz-bucket-region");
    nsec theirs;

    f->status = re->status;
    find_name(re, "Code", f->code, sizeof(f->code));
    find_name(re, "Region", f->region, sizeof(f->region));
    find_name(re, "Endpoint", f->location, sizeof(f->location));
    if (!f->region[0])
        answer_plain(region, f->region, sizeof(f->region));
    if (!answer_is_name(f->region))
        f->region[0] = '\0';
    if (!f->location[0])
        answer_location(re, f->location, sizeof(f->location));
    answer_xml(re->body, "Message", f->said, sizeof(f->said));
    if (!f->said[0])
        answer_words(re, f->said, sizeof(f->said));
    f->skew_known = http_date(http_response_header(re, "Date"), &theirs);
    if (f->skew_known)
        f->skew = re->wall_now - theirs;
}

static void skew_text(const struct found *f, char *out, size_t size)
{
    int64_t s = f->skew / NSEC_PER_SEC;

    if (!f->skew_known)
        snprintf(out, size, "too much");
    else
        snprintf(out, size, "%" PRId64 " s (ours is %s)", s < 0 ? -s : s, s < 0 ? "behind" : "ahead");
}

/* Stores that do not know the checksum say so with codes of all kinds. */
static bool lacks_checksum(const struct found *f)
{
    return f->c->checksum != CHECKSUM_NONE && (f->status == 400 || f->status == 501) && !strstr(f->code, "Digest") &&
           !strstr(f->code, "Mismatch") && strcasestr(f->said, "x-amz-checksum");
}

/* That the signature must cover the body. */
static bool wants_payload_signed(const struct found *f)
{
    return f->c->payload_unsigned && f->status >= 400 &&
           (strcmp(f->code, "XAmzContentSHA256Mismatch") == 0 || strcasestr(f->said, "unsigned-payload") ||
            strcasestr(f->said, "unsigned payload") || strcasestr(f->said, "x-amz-content-sha256"));
}

/* The code says more than the status; what is said of reading goes first. */
static const struct answer_row *row_of(const struct found *f, const struct http_response *re, bool reading)
{
    static const struct answer_row NO_CHECKSUM = {"", ANSWER_ACT, "%e does not take the checksum (%c): %m",
                                                  "set %pchecksum: none"};
    static const struct answer_row NOT_SIGNED = {"", ANSWER_ACT, "%e wants the object itself signed (%c): %m",
                                                 "set %ppayload_hash: signed"};
    const struct answer_row *row = reading ? answer_find(READ_CODES, f->code) : NULL;
    char status[ANSWER_STATUS_MAX];

    if (f->c->follows_region)
        return &FOLLOWS;
    if (f->c->corrects_clock)
        return &CORRECTS;
    if (f->c->drops_checksum)
        return &DROPS;
    if (f->c->drops_whole)
        return &DROPS_WHOLE;
    if (!reading && lacks_checksum(f))
        return &NO_CHECKSUM;
    if (!reading && wants_payload_signed(f))
        return &NOT_SIGNED;
    if (!row)
        row = answer_find(CODES, f->code);
    if (!row && reading)
        row = answer_find(READ_STATUSES, answer_status(re, status));
    return row ? row : answer_find(STATUSES, answer_status(re, status));
}

static enum sink_outcome explain(const struct found *f, const struct answer_row *row, const char *code,
                                 struct sink_verdict *v)
{
    char key[TEXT_MAX], size[24], status[16], skew[64], address[64], hash[96] = "";
    const struct answer_word words[] = {
        {'p', f->c->place, ""},
        {'A', address, ""},
        {'b', f->c->bucket, ""},
        {'e', f->c->endpoint, ""},
        {'r', f->c->region, ""},
        {'R', f->region, "another"},
        {'a', f->c->access_key_id, ""},
        {'f', f->c->key_source, ""},
        {'k', key, ""},
        {'n', size, ""},
        {'t', skew, ""},
        {'l', f->location, "an address it does not name"},
        {'c', f->code, "no code"},
        {'o', f->c->advice, ""},
        {'u', hash, ""},
        {'w', f->why, "no reason given"},
        {'s', status, ""},
        {0},
    };

    answer_plain(f->c->key, key, sizeof(key));
    snprintf(size, sizeof(size), "%" PRIu64, f->c->size);
    snprintf(status, sizeof(status), "%d", f->status);
    skew_text(f, skew, sizeof(skew));
    if (f->c->payload_unsigned)
        snprintf(hash, sizeof(hash), "; or it wants objects signed: %spayload_hash: signed", f->c->place);
    snprintf(address, sizeof(address), "%sendpoint", f->c->place);
    return answer_explain(row, words, code, f->said, v);
}

static enum sink_outcome explain_failure(struct found *f, const struct http_response *re, bool reading,
                                         struct sink_verdict *v)
{
    const char *name = answer_failure(re->failure);
    const struct answer_row *row = reading ? answer_find(READ_FAILURES, name) : NULL;
    enum sink_outcome outcome;

    f->why = re->failure_text;
    outcome = explain(f, row ? row : answer_find(FAILURES, name), name, v);
    if (re->failure == HTTP_TLS)
        answer_tls_hint(v, f->why, f->c->place, "endpoint");
    return outcome;
}

static enum sink_outcome explain_answer(struct found *f, const struct http_response *re, const struct answer_row *row,
                                        struct sink_verdict *v)
{
    const char *code = row == &CORRUPTED ? "BadDigest" : f->code;
    char status[16] = "NoETag";

    if (re->status != 200)
        snprintf(status, sizeof(status), "HTTP %d", re->status);
    v->retry_after = http_retry_after(re);
    return explain(f, row, code[0] ? code : status, v);
}

static const struct {
    const char *header;
    unsigned digest;
} CHECKSUMS[] = {[CHECKSUM_NONE] = {NULL, 0},
                 [CHECKSUM_CRC32C] = {"x-amz-checksum-crc32c", SINK_CRC32C},
                 [CHECKSUM_CRC64NVME] = {"x-amz-checksum-crc64nvme", SINK_CRC64NVME},
                 [CHECKSUM_SHA256] = {"x-amz-checksum-sha256", SINK_SHA256},
                 [CHECKSUM_MD5] = {"Content-MD5", SINK_MD5}};

unsigned s3_checksum_digest(enum s3_checksum kind)
{
    return CHECKSUMS[kind].digest;
}

bool s3_answer_keys_expired(const struct sink_verdict *v)
{
    return strcmp(v->code, "ExpiredToken") == 0 || strcmp(v->code, "TokenRefreshRequired") == 0;
}

const char *s3_checksum_header(enum s3_checksum kind)
{
    return CHECKSUMS[kind].header;
}

void s3_checksum_text(enum s3_checksum kind, const struct sink_seal *seal, char out[S3_CHECKSUM_TEXT])
{
    const struct sink_digests *d = &seal->digest;
    uint64_t crc = kind == CHECKSUM_CRC32C ? (uint64_t)d->crc32c << 32 : d->crc64nvme;
    char be[8] = {0};
    struct slice bytes = slice_of(be, kind == CHECKSUM_CRC32C ? 4 : 8);

    for (int i = 0; i < 8; i++)
        be[i] = (char)(crc >> (56 - 8 * i));
    if (kind == CHECKSUM_SHA256)
        bytes = slice_of((const char *)d->sha256, sizeof(d->sha256));
    else if (kind == CHECKSUM_MD5)
        bytes = slice_of((const char *)d->md5, sizeof(d->md5));
    base64_encode(bytes, out);
    out[base64_encoded_length(bytes.n)] = '\0';
}

/* Servers that say what they stored can be held to it. */
static bool other_checksum(const struct s3_context *c, const struct http_response *re)
{
    char ours[S3_CHECKSUM_TEXT];
    struct slice theirs;

    if (c->checksum == CHECKSUM_NONE)
        return false;
    theirs = http_response_header(re, s3_checksum_header(c->checksum));
    s3_checksum_text(c->checksum, c->seal, ours);
    return theirs.n == strlen(ours) && !slice_is(theirs, ours);
}

enum sink_outcome s3_answer_judge(const struct s3_context *c, const struct http_response *re, struct sink_verdict *v)
{
    const struct answer_row *row;
    struct found f = {.c = c};

    *v = (struct sink_verdict){.progress = v->progress};
    if (re->failure != HTTP_OK)
        return explain_failure(&f, re, false, v);
    if (re->status == 200 && http_response_header(re, "ETag").n > 0 && !other_checksum(c, re))
        return SINK_DELIVERED;
    find(&f, re);
    row = re->status == 200 && other_checksum(c, re) ? &CORRUPTED : row_of(&f, re, false);
    return explain_answer(&f, re, row, v);
}

/* Stores name the region in the words of an error, in a header, or in both. */
static bool is_about_region(const struct found *f)
{
    return (f->status == 301 || f->status == 307 || f->status == 400) &&
           (!f->code[0] || strcmp(f->code, "AuthorizationHeaderMalformed") == 0 ||
            strcmp(f->code, "PermanentRedirect") == 0 || strcmp(f->code, "TemporaryRedirect") == 0 ||
            strcmp(f->code, "IllegalLocationConstraintException") == 0);
}

void s3_answer_lesson(const struct s3_context *c, const struct http_response *re, struct s3_lesson *out)
{
    struct found f = {.c = c};

    *out = (struct s3_lesson){.region = ""};
    if (re->failure != HTTP_OK || re->status < 300)
        return;
    find(&f, re);
    if (is_about_region(&f) && strcmp(f.region, c->region) != 0)
        snprintf(out->region, sizeof(out->region), "%s", f.region);
    out->clock = strcmp(f.code, "RequestTimeTooSkewed") == 0 && f.skew_known;
    out->clock_error = -f.skew;
    /* Some only say that they lack something: it can be nothing else. */
    out->no_checksum = lacks_checksum(&f) ||
                       (!c->others && (strcmp(f.code, "NotImplemented") == 0 || (f.status == 501 && !f.code[0])));
}

static bool is_ours(const struct s3_context *c, const struct http_response *re)
{
    char mark[S3_MARK_MAX], size[24];

    s3_own_mark(c->seal, mark);
    snprintf(size, sizeof(size), "%" PRIu64, c->size);
    return slice_is(http_response_header(re, S3_OWN_MARK), mark) &&
           slice_is(http_response_header(re, "Content-Length"), size);
}

enum sink_outcome s3_answer_explain(const struct s3_context *c, const struct http_response *re, enum s3_oddity oddity,
                                    struct sink_verdict *v)
{
    static const struct answer_row ODDITIES[] = {
        [S3_ODD_UPLOAD] = {"", ANSWER_ACT, "%e began no multipart upload that can be gone on with (status %s)",
                           "correct %pendpoint, or raise %pmultipart.threshold: it may not know multipart uploads"},
        [S3_ODD_PART] = {"", ANSWER_ACT, "%e answered to a part without an ETag, or with a strange one (status %s)",
                         "raise %pmultipart.threshold: it may not know multipart uploads"},
        [S3_ODD_END] = {"", ANSWER_PASSES, "%e did not say to its end whether the upload of `%k` is complete", ""},
        [S3_ODD_UPLOADS] = {"", ANSWER_PASSES, "%e still lists unfinished uploads of `%k` when many are aborted", ""}};
    struct found f = {.c = c};
    const struct answer_row *row;

    *v = (struct sink_verdict){.progress = v->progress};
    if (re->failure != HTTP_OK)
        return explain_failure(&f, re, false, v);
    find(&f, re);
    row = oddity == S3_ODD_NOTHING || f.code[0] ? row_of(&f, re, false) : &ODDITIES[oddity];
    return explain_answer(&f, re, row, v);
}

enum sink_outcome s3_answer_judge_look(const struct s3_context *c, const struct http_response *re, bool gone,
                                       struct sink_verdict *v)
{
    struct found f = {.c = c};
    const struct answer_row *row;
    char status[ANSWER_STATUS_MAX];

    *v = (struct sink_verdict){.progress = v->progress};
    if (re->failure != HTTP_OK)
        return explain_failure(&f, re, false, v);
    if (re->status == 200 && is_ours(c, re))
        return SINK_DELIVERED;
    find(&f, re);
    row = gone                ? answer_find(GONE_STATUSES, answer_status(re, status))
          : re->status == 200 ? &FOREIGN
                              : answer_find(LOOK_STATUSES, answer_status(re, status));
    if (re->status == 200 || gone)
        snprintf(f.code, sizeof(f.code), "%s", gone ? "NoSuchUpload" : "PreconditionFailed");
    return explain_answer(&f, re, row ? row : row_of(&f, re, true), v);
}

enum sink_outcome s3_answer_judge_read(const struct s3_context *c, const struct http_response *re,
                                       struct sink_verdict *v)
{
    struct found f = {.c = c};

    *v = (struct sink_verdict){0};
    if (re->failure != HTTP_OK)
        return explain_failure(&f, re, true, v);
    if (re->status == 200 || re->status == 206)
        return SINK_DELIVERED;
    find(&f, re);
    return explain_answer(&f, re, row_of(&f, re, true), v);
}
