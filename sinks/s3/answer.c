#include "sinks/s3/answer.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/compiler.h"
#include "sinks/answer/text.h"
#include "sinks/answer/words.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CODE_MAX    64
#define TEXT_MAX    200
#define HTTP_STATUS "HTTP status"

/* In message and hint: %b bucket, %e endpoint, %r our region, %R the region the answer names, %a access key, %f where
 * it came from, %k object, %n its size, %m (at the end of a message) the server's own words, %w the transport's, %o options
 * to leave out, %u what else to try where the signature does not cover the body, %t the clock's error, %l where it redirects to, %c code, %p what the names of options begin with (destination.s3.), %s status. */
struct meaning {
    const char *code; /* as in <Code>; one that ends in '*' stands for all that begin so */
    /* Somebody must act, and then for every object. What may lie in one object, or passes by itself, is not. */
    bool misconfigured;
    const char *message; /* what happened and where */
    const char *hint;    /* what to do */
};

#define READ_RIGHTS "allow it s3:ListBucket and s3:GetObject on `%b`, or use other keys (these come from %f)"
#define OTHER_KEYS  "use other keys; these come from %f"
#define PRIVATE_CA  "if the server's certificate is from a private CA, name it in %ptls.ca_file"

static const struct meaning CODES[] = {
    {"NoSuchBucket", true, "bucket `%b` does not exist at %e", "create it, or correct %pbucket"},
    {"InvalidBucketName", true, "%e says that `%b` is not a bucket's name", "correct %pbucket"},
    {"AccessDenied", true, "access key `%a` may not write `%k` to bucket `%b` at %e: %m",
     "allow it s3:PutObject on `%b`, or use other keys (these come from %f)%u"},
    {"AllAccessDisabled", true, "all access to bucket `%b` at %e is disabled: %m", "ask whoever owns the bucket"},
    {"AccountProblem", true, "the account of access key `%a` has a problem at %e: %m", "ask whoever owns the account"},
    {"InvalidAccessKeyId", true, "%e does not know the access key `%a`", "correct %paccess_key_id (it comes from %f)"},
    {"XAdminUserNotFound", true, "%e does not know the access key `%a`", "correct %paccess_key_id (it comes from %f)"},
    {"SignatureDoesNotMatch", true, "%e refused the signature made with access key `%a`",
     "correct %psecret_access_key (the keys come from %f); a proxy that changes the Host header does this "
     "too%u"},
    {"RequestTimeTooSkewed", true, "this machine's clock and that of %e differ by %t",
     "set the clock here or there, e.g. with NTP"},
    {"RequestExpired", true, "this machine's clock and that of %e differ by %t",
     "set the clock here or there, e.g. with NTP"},
    {"AuthorizationHeaderMalformed", true, "%e refused the signature's scope; region is `%r`, it wants `%R`: %m",
     "set %pregion to the bucket's region"},
    {"IllegalLocationConstraintException", true, "bucket `%b` is not in region `%r`: %m",
     "set %pregion to the bucket's region"},
    {"PermanentRedirect", true, "bucket `%b` is not at %e but in region `%R`, at %l",
     "set %pregion, or correct %pendpoint"},
    {"TemporaryRedirect", false, "bucket `%b` is for now not at %e but at %l",
     "new buckets need up to a day to settle"},
    {"ExpiredToken", true, "the session token of access key `%a` has expired",
     "renew the keys; they come from %f, and files are read again when they change"},
    {"TokenRefreshRequired", true, "the session token of access key `%a` must be renewed",
     "renew the keys; they come from %f"},
    {"InvalidToken", true, "%e does not accept the session token of access key `%a`",
     "correct %psession_token, or leave it out (the keys come from %f)"},
    {"SlowDown", false, "%e asks to slow down: %m", ""},
    {"ServiceUnavailable", false, "%e is not available at the moment: %m", ""},
    {"TooManyRequests*", false, "%e asks to slow down: %m", ""},
    {"InternalError", false, "%e had an internal error: %m", ""},
    {"OperationAborted", false, "another operation on bucket `%b` at %e is in the way: %m", ""},
    {"RequestTimeout", false, "%e waited too long for the object's bytes",
     "look at the network between here and there"},
    {"IncompleteBody", false, "%e received less than the whole object", ""},
    {"BadDigest", false, "%e received other bytes than were sent: %m", "look for a proxy that changes request bodies"},
    {"InvalidDigest", false, "%e did not accept the checksum: %m", ""},
    {"XAmzContentSHA256Mismatch", false, "%e received other bytes than were sent: %m",
     "look for a proxy that changes request bodies"},
    {"XAmzContentChecksumMismatch", false, "%e received other bytes than were sent: %m",
     "look for a proxy that changes request bodies"},
    {"EntityTooLarge", false, "the object of %n bytes is larger than %e takes: %m",
     "lower buffer.size, or raise the limit of the server or of the proxy before it"},
    {"MaxMessageLengthExceeded", false, "the object of %n bytes is larger than %e takes: %m",
     "lower buffer.size, or raise the limit of the server or of the proxy before it"},
    {"KeyTooLong*", false, "the object's name is longer than %e takes: `%k`", "shorten %pprefix"},
    {"XMinioInvalidObjectName", false, "%e takes no object of this name: `%k`", "correct %pprefix"},
    {"InvalidURI", false, "%e takes no object of this name: `%k`", "correct %pprefix"},
    {"InvalidStorageClass", true, "%e does not know this storage class: %m", "correct %pstorage_class"},
    {"InvalidTag", true, "%e does not accept the tags: %m", "correct %ptagging"},
    {"InvalidEncryptionAlgorithmError", true, "%e does not accept the encryption: %m",
     "correct %pserver_side_encryption"},
    {"KMS*", true, "%e cannot use the KMS key (%c): %m",
     "correct %pkms_key_id, or allow access key `%a` to use the key"},
    {"kms*", true, "%e cannot use the KMS key (%c): %m",
     "correct %pkms_key_id, or allow access key `%a` to use the key"},
    {"AccessControlListNotSupported", true, "bucket `%b` at %e takes no ACLs", "leave out %pacl"},
    {"QuotaExceeded*", true, "the quota of bucket `%b` at %e is used up: %m", "raise the quota, or delete objects"},
    {"XMinioAdminBucketQuotaExceeded", true, "the quota of bucket `%b` at %e is used up: %m",
     "raise the quota, or delete objects"},
    {"XMinioStorageFull", true, "the storage at %e is full: %m", "give it room, or delete objects"},
    {"InsufficientStorage*", true, "the storage at %e is full: %m", "give it room, or delete objects"},
    {"ObjectParentIsFile", false, "%e keeps folders as files, and part of `%k` is an object already",
     "choose another %pprefix, or delete that object"},
    {"NotImplemented", true, "%e lacks something this request needs: %m", "%o"},
    {"InvalidArgument", true, "%e does not accept something of this request: %m", "%o"},
    {"MethodNotAllowed", true, "%e does not take objects at this address", "correct %pendpoint"},
    {"IncorrectEndpoint", true, "bucket `%b` is not at %e but at %l", "correct %pendpoint"},
    {"NotSignedUp", true, "the account of access key `%a` is not signed up at %e: %m", "ask whoever owns the account"},
    {"InvalidPayer", true, "the account of access key `%a` has a problem at %e: %m", "ask whoever owns the account"},
    {"UserProject*", true, "%e does not take objects for this project (%c): %m", "ask whoever owns the bucket"},
    {"InvalidAccessPoint*", true, "%e says that `%b` is no access point: %m", "correct %pbucket"},
    {"NoSuchAccessPoint*", true, "%e says that there is no access point `%b`", "correct %pbucket"},
    {"InvalidSecurity", true, "%e does not accept access key `%a`: %m", "use other keys; these come from %f"},
    {"InvalidBucketOwnerAWSAccountID", true, "%e does not know the account that is to own the bucket: %m",
     "correct %pexpected_bucket_owner"},
    {"RequestHeaderSectionTooLarge", true, "the headers are larger than %e takes", "shorten %ptagging"},
};

/* Where the answer has no code, or one that no row knows: by status. */
struct by_status {
    int from, to;
    struct meaning meaning;
};

static const struct by_status STATUSES[] = {
    {200,
     200,
     {"NoETag", true, "%e answered 200 without an ETag, as no S3 server does; it may have kept nothing",
      "correct %pendpoint: is it the S3 port?"}},
    {201,
     299,
     {HTTP_STATUS, true, "%e answered %s to a PutObject, which S3 answers with 200",
      "correct %pendpoint: is it the S3 port?"}},
    {301,
     308,
     {HTTP_STATUS, true, "%e redirects to %l (status %s); redirects are not followed", "correct %pendpoint or region"}},
    {401,
     401,
     {HTTP_STATUS, true, "%e does not accept access key `%a` (status %s): %m",
      "correct %paccess_key_id and secret_access_key (they come from %f)"}},
    {403,
     403,
     {HTTP_STATUS, true, "%e forbids access key `%a` to write to bucket `%b` (%c): %m",
      "allow it s3:PutObject on `%b`, or use other keys (these come from %f)"}},
    {404,
     404,
     {HTTP_STATUS, true, "%e found nothing at the bucket's address (%c): %m", "correct %pendpoint and bucket"}},
    {405, 405, {HTTP_STATUS, true, "%e does not take objects at this address", "correct %pendpoint"}},
    {402, 402, {HTTP_STATUS, true, "%e wants to be paid (status %s): %m", "ask whoever owns the account"}},
    {407,
     407,
     {HTTP_STATUS, true, "the proxy on the way to %e wants credentials (status %s): %m",
      "put user and password into the proxy's address"}},
    {408, 408, {HTTP_STATUS, false, "%e waited too long for the object's bytes", ""}},
    {410,
     410,
     {HTTP_STATUS, true, "%e has nothing at the bucket's address any more (%c): %m", "correct %pendpoint and bucket"}},
    {413,
     413,
     {HTTP_STATUS, false, "the object of %n bytes is larger than %e takes",
      "lower buffer.size, or raise the limit of the server or of the proxy before it"}},
    {421, 421, {HTTP_STATUS, true, "%e is not who answers for this host: %m", "correct %pendpoint, or %paddressing"}},
    {426, 426, {HTTP_STATUS, true, "%e wants another protocol: %m", "https:// in %pendpoint?"}},
    {429, 429, {HTTP_STATUS, false, "%e asks to slow down (%c): %m", ""}},
    {431, 431, {HTTP_STATUS, true, "the headers are larger than %e takes", "shorten %ptagging"}},
    {451, 451, {HTTP_STATUS, true, "%e may not take objects, by law: %m", "ask whoever owns the bucket"}},
    {495,
     496,
     {HTTP_STATUS, true, "%e does not accept the client's certificate: %m", "correct %ptls.cert_file and key_file"}},
    {400, 499, {HTTP_STATUS, false, "%e refused the object (status %s, %c): %m", ""}},
    {501, 501, {HTTP_STATUS, true, "%e lacks something this request needs (%c): %m", "%o"}},
    {507, 507, {HTTP_STATUS, true, "the storage at %e is full: %m", "give it room, or delete objects"}},
    {500, 599, {HTTP_STATUS, false, "%e failed (status %s, %c): %m", ""}},
    {0, 999, {HTTP_STATUS, true, "%e answered %s", "correct %pendpoint: is it an S3 server?"}},
};

struct by_failure {
    enum http_failure failure;
    struct meaning meaning;
};

static const struct by_failure FAILURES[] = {
    {HTTP_DNS,
     {"DNS", true, "the host of %e does not resolve: %w",
      "correct %pendpoint (or region, bucket), or look at this machine's DNS"}},
    {HTTP_PROXY_DOWN,
     {"ProxyDown", false, "there is no way to %e through the proxy %w",
      "is the proxy running, and reachable from here? %pproxy: none goes without"}},
    {HTTP_PROXY_REFUSES,
     {"ProxyRefuses", true, "no way is given to %e by the proxy %w",
      "put user and password into the proxy's URL, or ask who runs it; %pproxy: none goes without"}},
    {HTTP_CONNECT, {"Connect", false, "cannot connect to %e: %w", "is the server running, and reachable from here?"}},
    {HTTP_TLS, {"TLS", true, "no TLS connection to %e: %w", PRIVATE_CA}},
    {HTTP_TIMEOUT, {"Timeout", false, "%e did not answer in time: %w", "if the network is slow, raise %ptimeout"}},
    {HTTP_RESET, {"ConnectionLost", false, "%e closed the connection in the middle: %w", ""}},
    {HTTP_MALFORMED, {"NotHTTP", false, "what %e answers is not HTTP: %w", "http:// or https:// in %pendpoint?"}},
    {HTTP_LOCAL,
     {"Local", false, "the object's bytes cannot be read here: %w", "look at disk space and the kernel's log"}},
};

/* What is said otherwise when an object or a listing was asked for; the keys need not come from the configuration. */
static const struct meaning READ_CODES[] = {
    {"NoSuchBucket", true, "bucket `%b` does not exist at %e", "correct the bucket's name, or %pendpoint"},
    {"InvalidBucketName", true, "%e says that `%b` is not a bucket's name", "correct it"},
    {"NoSuchKey", true, "`%k` is not in bucket `%b` at %e any more", ""},
    {"InvalidObjectState", true, "`%k` is archived and cannot be read as it is: %m", "restore it first"},
    {"AccessDenied", true, "access key `%a` may not read bucket `%b` at %e: %m", READ_RIGHTS},
    {"KMS*", true, "%e cannot use the KMS key of `%k` (%c): %m", "allow access key `%a` kms:Decrypt with that key"},
    {"InvalidAccessKeyId", true, "%e does not know the access key `%a`", OTHER_KEYS},
    {"XAdminUserNotFound", true, "%e does not know the access key `%a`", OTHER_KEYS},
    {"SignatureDoesNotMatch", true, "%e refused the signature made with access key `%a`",
     "correct the secret key (the keys come from %f); a proxy that changes the Host header does this too"},
    {"InvalidToken", true, "%e does not accept the session token of access key `%a`", OTHER_KEYS},
    {"NotImplemented", true, "%e lacks something this request needs: %m", "does it know ListObjectsV2?"},
    {"InvalidArgument", true, "%e does not accept something of this request: %m", ""},
    {"MethodNotAllowed", true, "%e gives no objects at this address", "correct %pendpoint"},
};

/* To one who reads `misconfigured` says that another attempt is of no use: so nothing but 408 and 429 is worth one. */
static const struct by_status READ_STATUSES[] = {
    {200, 299, {HTTP_STATUS, true, "%e answered %s, where S3 says 200", "correct %pendpoint: is it the S3 port?"}},
    {401, 401, {HTTP_STATUS, true, "%e does not accept access key `%a` (status %s): %m", OTHER_KEYS}},
    {403, 403, {HTTP_STATUS, true, "%e forbids access key `%a` to read bucket `%b` (%c): %m", READ_RIGHTS}},
    {404,
     404,
     {HTTP_STATUS, true, "%e found nothing at this address (%c): %m", "correct %pendpoint, or the bucket's name"}},
    {405, 405, {HTTP_STATUS, true, "%e gives no objects at this address", "correct %pendpoint"}},
    {408, 408, {HTTP_STATUS, false, "%e waited too long for the request", ""}},
    {429, 429, {HTTP_STATUS, false, "%e asks to slow down (%c): %m", ""}},
    {400, 499, {HTTP_STATUS, true, "%e refused the request (status %s, %c): %m", ""}},
};

static const struct by_failure READ_FAILURES[] = {
    {HTTP_TLS,
     {"TLS", true, "no TLS connection to %e: %w",
      "if the server's certificate is from a private CA, name it in tls.ca_file of the bucket's options in the YAML"}},
    {HTTP_TIMEOUT,
     {"Timeout", false, "%e did not answer in time: %w",
      "if the network is slow, raise timeout of the bucket's options in the YAML"}},
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

static const struct meaning *by_code(const struct meaning *rows, size_t count, const char *code)
{
    for (size_t i = 0; i < count; i++) {
        const char *star = strchr(rows[i].code, '*');

        if (star ? strncmp(code, rows[i].code, (size_t)(star - rows[i].code)) == 0 : strcmp(code, rows[i].code) == 0)
            return &rows[i];
    }
    return NULL;
}

static const struct meaning *by_status(const struct by_status *rows, size_t count, int status)
{
    for (size_t i = 0; i < count; i++)
        if (status >= rows[i].from && status <= rows[i].to)
            return &rows[i].meaning;
    return NULL;
}

static const struct meaning *by_failure(const struct by_failure *rows, size_t count, enum http_failure failure)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].failure == failure)
            return &rows[i].meaning;
    return NULL;
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

/* The code says more than the status; what is said of reading goes first. The last status takes them all. */
static const struct meaning *meaning_of(const struct found *f, const struct http_response *re, bool reading)
{
    static const struct meaning NO_TLS = {HTTP_STATUS, true, "%e wants https:// (status %s): %m", "correct %pendpoint"};

    static const struct meaning NO_CHECKSUM = {HTTP_STATUS, true, "%e does not take the checksum (%c): %m",
                                               "set %pchecksum: none"};
    static const struct meaning NOT_SIGNED = {HTTP_STATUS, true, "%e wants the object itself signed (%c): %m",
                                              "set %ppayload_hash: signed"};
    const struct meaning *m = reading ? by_code(READ_CODES, ARRAY_LEN(READ_CODES), f->code) : NULL;

    if (!m && !reading && lacks_checksum(f))
        m = &NO_CHECKSUM;
    if (!m && !reading && wants_payload_signed(f))
        m = &NOT_SIGNED;
    if (!m)
        m = by_code(CODES, ARRAY_LEN(CODES), f->code);
    if (!m && answer_wants_tls(re))
        m = &NO_TLS;
    if (!m && reading)
        m = by_status(READ_STATUSES, ARRAY_LEN(READ_STATUSES), f->status);
    return m ? m : by_status(STATUSES, ARRAY_LEN(STATUSES), f->status);
}

static void say(const struct found *f, const struct meaning *m, struct sink_verdict *v)
{
    char key[TEXT_MAX], size[24], status[16], skew[64], hash[96] = "";
    const struct answer_word words[] = {{'p', f->c->place, ""},
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
                                        {0}};

    answer_plain(f->c->key, key, sizeof(key));
    snprintf(size, sizeof(size), "%" PRIu64, f->c->size);
    snprintf(status, sizeof(status), "%d", f->status);
    skew_text(f, skew, sizeof(skew));
    if (f->c->payload_unsigned)
        snprintf(hash, sizeof(hash), "; or it wants objects signed: %spayload_hash: signed", f->c->place);
    v->misconfigured = m->misconfigured;
    if (f->code[0])
        snprintf(v->code, sizeof(v->code), "%s", f->code);
    else if (strcmp(m->code, HTTP_STATUS) == 0)
        snprintf(v->code, sizeof(v->code), "HTTP %d", f->status);
    else
        snprintf(v->code, sizeof(v->code), "%s", m->code);
    answer_say(v, m->message, m->hint, words, f->said);
}

static enum sink_outcome judge_failure(struct found *f, const struct http_response *re, bool reading,
                                       struct sink_verdict *v)
{
    const struct meaning *m = reading ? by_failure(READ_FAILURES, ARRAY_LEN(READ_FAILURES), re->failure) : NULL;

    if (!m)
        m = by_failure(FAILURES, ARRAY_LEN(FAILURES), re->failure);
    assert(m);
    f->why = re->failure_text;
    say(f, m, v);
    if (re->failure == HTTP_TLS)
        answer_tls_hint(v, f->why, f->c->place, "endpoint");
    return SINK_RETRY;
}

const char *s3_checksum_header(enum s3_checksum kind)
{
    return kind == CHECKSUM_SHA256 ? "x-amz-checksum-sha256" : "x-amz-checksum-crc32c";
}

void s3_checksum_text(enum s3_checksum kind, const struct sink_seal *seal, char out[S3_CHECKSUM_TEXT])
{
    uint32_t crc = seal->crc32c;
    const unsigned char be[4] = {(unsigned char)(crc >> 24), (unsigned char)(crc >> 16), (unsigned char)(crc >> 8),
                                 (unsigned char)crc};
    struct slice bytes = kind == CHECKSUM_SHA256 ? slice_of((const char *)seal->sha256, sizeof(seal->sha256))
                                                 : slice_of((const char *)be, sizeof(be));

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
    static const struct meaning CORRUPTED = {"BadDigest", false, "%e stored other bytes than were sent",
                                             "look for a proxy that changes request bodies"};
    struct found f = {.c = c};
    const struct meaning *m;

    *v = (struct sink_verdict){0};
    if (re->failure != HTTP_OK)
        return judge_failure(&f, re, false, v);
    if (re->status == 200 && http_response_header(re, "ETag").n > 0 && !other_checksum(c, re))
        return SINK_DELIVERED;
    find(&f, re);
    m = re->status == 200 && other_checksum(c, re) ? &CORRUPTED : meaning_of(&f, re, false);
    say(&f, m, v);
    v->retry_after = http_retry_after(re);
    return SINK_RETRY;
}

enum sink_outcome s3_answer_judge_read(const struct s3_context *c, const struct http_response *re,
                                       struct sink_verdict *v)
{
    struct found f = {.c = c};

    *v = (struct sink_verdict){0};
    if (re->failure != HTTP_OK)
        return judge_failure(&f, re, true, v);
    if (re->status == 200 || re->status == 206)
        return SINK_DELIVERED;
    find(&f, re);
    say(&f, meaning_of(&f, re, true), v);
    v->retry_after = http_retry_after(re);
    return SINK_RETRY;
}
