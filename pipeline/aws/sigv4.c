/* Three texts, each made from the one before: the canonical request (what is signed), the string to sign (its hash, the
 * time, the scope), the signature (an HMAC of that with a key derived for one day, region and service). Signing and
 * verifying make the same three; a verifier compares the last one. */
#include "pipeline/aws/sigv4.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define ALGORITHM        "AWS4-HMAC-SHA256"
#define TERMINATOR       "aws4_request"
#define CREDENTIAL_PARTS 5
#define MESSAGE_CREDENTIAL                                                                                             \
    "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"

void sigv4_timestamp(nsec wall, char out[17])
{
    time_t seconds = (time_t)(wall / NSEC_PER_SEC);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    if (strftime(out, 17, "%Y%m%dT%H%M%SZ", &tm) == 0)
        out[0] = '\0';
}

static bool is_digits(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < '0' || p[i] > '9')
            return false;
    return true;
}

static int number(const char *p, size_t n)
{
    int v = 0;

    for (size_t i = 0; i < n; i++)
        v = v * 10 + (p[i] - '0');
    return v;
}

int sigv4_parse_timestamp(struct slice text, nsec *wall)
{
    char again[17];
    struct tm tm;
    time_t seconds;
    const char *p = text.p;

    if (text.n != 16 || !is_digits(p, 8) || p[8] != 'T' || !is_digits(p + 9, 6) || p[15] != 'Z')
        return -1;
    tm = (struct tm){.tm_year = number(p, 4) - 1900,
                     .tm_mon = number(p + 4, 2) - 1,
                     .tm_mday = number(p + 6, 2),
                     .tm_hour = number(p + 9, 2),
                     .tm_min = number(p + 11, 2),
                     .tm_sec = number(p + 13, 2)};
    seconds = timegm(&tm);
    if (seconds < 0 || seconds > INT64_MAX / NSEC_PER_SEC)
        return -1;
    /* timegm() carries over what is too large, such as 31 June: then the way back differs. */
    sigv4_timestamp((nsec)seconds * NSEC_PER_SEC, again);
    if (!slice_is(text, again))
        return -1;
    *wall = (nsec)seconds * NSEC_PER_SEC;
    return 0;
}

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

static int encode_char(unsigned char c, bool keep_slash, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    const char escape[] = {'%', digits[c >> 4], digits[c & 15]};

    if (is_unreserved((char)c) || (keep_slash && c == '/'))
        return buf_add_char(out, (char)c);
    return buf_add(out, escape, sizeof(escape));
}

int sigv4_uri_encode(struct slice text, bool keep_slash, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++)
        if (encode_char((unsigned char)text.p[i], keep_slash, out) < 0)
            return -1;
    return 0;
}

/* Senders differ in what they escape and in which case: decode, then encode the one canonical way. */
static int recode(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        int high = -1, low = -1;

        if (c == '%' && text.n - i > 2) {
            high = hex_digit(text.p[i + 1]);
            low = hex_digit(text.p[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            c = (unsigned char)(high << 4 | low);
            i += 2;
        }
        if (encode_char(c, false, out) < 0)
            return -1;
    }
    return 0;
}

/* Cuts the part before `sep` off *rest; all of it when there is none. */
static struct slice cut(struct slice *rest, char sep)
{
    const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    struct slice part = *rest;

    if (!at) {
        *rest = slice_of(rest->p + rest->n, 0);
        return part;
    }
    part.n = (size_t)(at - rest->p);
    *rest = slice_of(at + 1, rest->n - part.n - 1);
    return part;
}

/* One parameter of the query, already in canonical form. */
struct param {
    struct slice name, value;
};

static int compare_slices(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;

    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int compare_params(const void *a, const void *b)
{
    const struct param *x = a, *y = b;
    int order = compare_slices(x->name, y->name);

    return order ? order : compare_slices(x->value, y->value);
}

/* Sorted by code point as *encoded* text, which is why they are encoded first. `texts` has room for all of it, so
 * slices into it stay true while it grows. */
static int read_params(struct slice query, struct buf *texts, struct param *params, size_t *count)
{
    if (buf_reserve(texts, 3 * query.n) < 0)
        return -1;
    for (*count = 0; query.n > 0;) {
        struct slice value = cut(&query, '&'), name = cut(&value, '=');
        struct param *p = &params[*count];
        size_t begin = texts->n, middle;

        if (name.n == 0 && value.n == 0)
            continue;
        if (++*count > SIGV4_QUERY_PARAMS_MAX || recode(name, texts) < 0)
            return -1;
        middle = texts->n;
        if (recode(value, texts) < 0)
            return -1;
        p->name = slice_of(texts->p + begin, middle - begin);
        p->value = slice_of(texts->p + middle, texts->n - middle);
    }
    return 0;
}

static int add_query(struct slice query, struct buf *out)
{
    struct param *params;
    struct buf texts;
    size_t count;
    int rc = -1;

    if (query.n == 0)
        return 0;
    params = mem_array(SIGV4_QUERY_PARAMS_MAX + 1, sizeof(*params));
    buf_init(&texts, SIGV4_CANONICAL_MAX);
    if (read_params(query, &texts, params, &count) < 0)
        goto out;
    qsort(params, count, sizeof(*params), compare_params);
    for (size_t i = 0; i < count; i++)
        if ((i > 0 && buf_add_char(out, '&') < 0) || buf_add_slice(out, params[i].name) < 0 ||
            buf_add_char(out, '=') < 0 || buf_add_slice(out, params[i].value) < 0)
            goto out;
    rc = 0;
out:
    buf_release(&texts);
    mem_free(params);
    return rc;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static int add_lower(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++)
        if (buf_add_char(out, lower(s.p[i])) < 0)
            return -1;
    return 0;
}

static int compare_names(struct slice a, struct slice b)
{
    for (size_t i = 0; i < a.n && i < b.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return (unsigned char)lower(a.p[i]) < (unsigned char)lower(b.p[i]) ? -1 : 1;
    return (a.n > b.n) - (a.n < b.n);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Trimmed, and each run of white space inside is one space. */
static int add_folded(struct slice s, struct buf *out)
{
    bool gap = false, any = false;

    for (size_t i = 0; i < s.n; i++) {
        if (is_space(s.p[i])) {
            gap = any;
            continue;
        }
        if ((gap && buf_add_char(out, ' ') < 0) || buf_add_char(out, s.p[i]) < 0)
            return -1;
        gap = false;
        any = true;
    }
    return 0;
}

/* Insertion sort: few, nearly sorted, and headers of one name must stay in the order they were sent. */
static void sort_headers(const struct sigv4_request *rq, const struct sigv4_header **sorted)
{
    for (size_t i = 0; i < rq->header_count; i++) {
        size_t at = i;

        for (; at > 0 && compare_names(sorted[at - 1]->name, rq->headers[i].name) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &rq->headers[i];
    }
}

static bool same_name(const struct sigv4_header **sorted, size_t i)
{
    return i > 0 && compare_names(sorted[i - 1]->name, sorted[i]->name) == 0;
}

/* "host:example.com\nx-amz-date:...\n": one line a name, values of the same name joined by commas. */
static int add_headers(const struct sigv4_header **sorted, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (same_name(sorted, i)) {
            out->n--; /* takes the newline back */
            if (buf_add_char(out, ',') < 0)
                return -1;
        } else if (add_lower(sorted[i]->name, out) < 0 || buf_add_char(out, ':') < 0) {
            return -1;
        }
        if (add_folded(sorted[i]->value, out) < 0 || buf_add_char(out, '\n') < 0)
            return -1;
    }
    return 0;
}

/* "host;x-amz-date" */
static int add_signed_names(const struct sigv4_header **sorted, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (same_name(sorted, i))
            continue;
        if ((i > 0 && buf_add_char(out, ';') < 0) || add_lower(sorted[i]->name, out) < 0)
            return -1;
    }
    return 0;
}

static int canonical_request(const struct sigv4_request *rq, struct buf *out)
{
    const struct sigv4_header *sorted[SIGV4_HEADERS_MAX];
    struct slice path = rq->path.n ? rq->path : SLICE("/");

    if (rq->header_count > SIGV4_HEADERS_MAX)
        return -1;
    sort_headers(rq, sorted);
    if (buf_add_slice(out, rq->method) < 0 || buf_add_char(out, '\n') < 0 || buf_add_slice(out, path) < 0 ||
        buf_add_char(out, '\n') < 0 || add_query(rq->query, out) < 0 || buf_add_char(out, '\n') < 0 ||
        add_headers(sorted, rq->header_count, out) < 0 || buf_add_char(out, '\n') < 0 ||
        add_signed_names(sorted, rq->header_count, out) < 0 || buf_add_char(out, '\n') < 0)
        return -1;
    return buf_add_slice(out, rq->payload_hash);
}

static int add_scope(const struct sigv4_scope *scope, struct buf *out)
{
    return buf_printf(out, "%s/%.*s/%.*s/" TERMINATOR, scope->date, (int)scope->region.n, scope->region.p,
                      (int)scope->service.n, scope->service.p);
}

/* Turns the canonical request in `text` into the string to sign. */
static int string_to_sign(const char *timestamp, const struct sigv4_scope *scope, struct buf *text)
{
    unsigned char sum[SHA256_BYTES];
    char hex[SHA256_HEX];

    sha256_of(buf_slice(text), sum);
    buf_clear(text);
    if (buf_printf(text, ALGORITHM "\n%s\n", timestamp) < 0 || add_scope(scope, text) < 0)
        return -1;
    return buf_printf(text, "\n%s", hex_encode(sum, sizeof(sum), hex));
}

static struct slice bytes(const unsigned char p[SHA256_BYTES])
{
    return slice_of((const char *)p, SHA256_BYTES);
}

static int derive_key(struct slice secret, const struct sigv4_scope *scope, unsigned char key[SHA256_BYTES])
{
    struct buf first;
    int rc = -1;

    buf_init(&first, 4 * KIB);
    if (buf_add_str(&first, "AWS4") < 0 || buf_add_slice(&first, secret) < 0)
        goto out;
    hmac_sha256(buf_slice(&first), slice_str(scope->date), key);
    hmac_sha256(bytes(key), scope->region, key);
    hmac_sha256(bytes(key), scope->service, key);
    hmac_sha256(bytes(key), SLICE(TERMINATOR), key);
    rc = 0;
out:
    if (first.p)
        explicit_bzero(first.p, first.cap);
    buf_release(&first);
    return rc;
}

int sigv4_sign(const struct sigv4_request *rq, const char *timestamp, const struct sigv4_scope *scope,
               struct slice secret, char signature[SHA256_HEX])
{
    unsigned char key[SHA256_BYTES], sum[SHA256_BYTES];
    struct buf text;
    int rc = -1;

    buf_init(&text, SIGV4_CANONICAL_MAX);
    if (canonical_request(rq, &text) < 0 || string_to_sign(timestamp, scope, &text) < 0 ||
        derive_key(secret, scope, key) < 0)
        goto out;
    hmac_sha256(bytes(key), buf_slice(&text), sum);
    hex_encode(sum, sizeof(sum), signature);
    rc = 0;
out:
    explicit_bzero(key, sizeof(key));
    buf_release(&text);
    return rc;
}

int sigv4_authorization(const struct sigv4_request *rq, const char *timestamp, const struct sigv4_scope *scope,
                        struct slice access_key_id, struct slice secret, struct buf *out)
{
    const struct sigv4_header *sorted[SIGV4_HEADERS_MAX];
    char signature[SHA256_HEX];
    size_t before = out->n;

    if (sigv4_sign(rq, timestamp, scope, secret, signature) < 0)
        return -1;
    sort_headers(rq, sorted);
    if (buf_add_str(out, ALGORITHM " Credential=") == 0 && buf_add_slice(out, access_key_id) == 0 &&
        buf_add_char(out, '/') == 0 && add_scope(scope, out) == 0 && buf_add_str(out, ", SignedHeaders=") == 0 &&
        add_signed_names(sorted, rq->header_count, out) == 0 && buf_printf(out, ", Signature=%s", signature) == 0)
        return 0;
    out->n = before;
    return -1;
}

static struct slice trim(struct slice s)
{
    while (s.n > 0 && is_space(s.p[0]))
        s = slice_of(s.p + 1, s.n - 1);
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* "AKID/20150830/us-east-1/firehose/aws4_request" */
static int parse_credential(struct slice text, struct sigv4_auth *out, struct err *e)
{
    struct slice part[CREDENTIAL_PARTS];

    for (size_t i = 0; i < CREDENTIAL_PARTS; i++) {
        part[i] = cut(&text, '/');
        if (part[i].n == 0)
            return err_set(e, ERR_FORMAT, MESSAGE_CREDENTIAL);
    }
    if (text.n > 0)
        return err_set(e, ERR_FORMAT, MESSAGE_CREDENTIAL);
    if (part[1].n != 8 || !is_digits(part[1].p, 8))
        return err_set(e, ERR_FORMAT, "Date in Credential scope must be YYYYMMDD");
    if (!slice_is(part[4], TERMINATOR))
        return err_set(e, ERR_FORMAT, "Credential should be scoped with a valid terminator: '" TERMINATOR "'");
    out->access_key_id = part[0];
    memcpy(out->scope.date, part[1].p, 8);
    out->scope.date[8] = '\0';
    out->scope.region = part[2];
    out->scope.service = part[3];
    return 0;
}

/* Its length matters most: whoever compares signatures may rely on it. */
static bool is_signature(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (hex_digit(s.p[i]) < 0)
            return false;
    return s.n == SHA256_HEX - 1;
}

static struct slice *auth_part(struct slice name, struct slice *credential, struct sigv4_auth *out)
{
    if (slice_is(name, "Credential"))
        return credential;
    if (slice_is(name, "SignedHeaders"))
        return &out->signed_headers;
    if (slice_is(name, "Signature"))
        return &out->signature;
    return NULL;
}

int sigv4_parse_authorization(struct slice value, struct sigv4_auth *out, struct err *e)
{
    struct slice rest = trim(value), credential = {NULL, 0};

    *out = (struct sigv4_auth){0};
    if (!slice_is(cut(&rest, ' '), ALGORITHM))
        return err_set(e, ERR_FORMAT, "Unsupported AWS 'algorithm' in the Authorization header, expected " ALGORITHM);
    while (rest.n > 0) {
        struct slice text = trim(cut(&rest, ',')), name = cut(&text, '=');
        struct slice *part = auth_part(name, &credential, out);

        if (part && part->n > 0)
            return err_set(e, ERR_FORMAT, "Authorization header has the '%.*s' parameter twice.", (int)name.n, name.p);
        if (part)
            *part = text;
    }
    if (credential.n == 0)
        return err_set(e, ERR_FORMAT, "Authorization header requires 'Credential' parameter.");
    if (out->signature.n == 0)
        return err_set(e, ERR_FORMAT, "Authorization header requires 'Signature' parameter.");
    if (out->signed_headers.n == 0)
        return err_set(e, ERR_FORMAT, "Authorization header requires 'SignedHeaders' parameter.");
    if (!is_signature(out->signature))
        return err_set(e, ERR_FORMAT, "Signature in the Authorization header must be 64 hexadecimal digits.");
    return parse_credential(credential, out, e);
}
