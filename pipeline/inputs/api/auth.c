/* What the client signed is built again from what has arrived, and signed again with the key it claims; the two
 * signatures must be equal. Only headers that are listed in the claim were signed. So those that steer the request
 * must be among them, or anybody on the way could have changed them. */
#include "pipeline/inputs/api/auth.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char MISMATCH[] = "The request signature we calculated does not match the signature you provided. Check "
                               "your AWS Secret Access Key and signing method. Consult the service documentation for "
                               "details.";

static bool same_name(struct slice a, struct slice b)
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static bool find(const struct api_auth_headers *h, const char *name, struct slice *value)
{
    for (size_t i = 0; i < h->n; i++) {
        if (same_name(h->v[i].name, slice_str(name))) {
            *value = h->v[i].value;
            return true;
        }
    }
    return false;
}

/* The list is like "host;x-amz-date". */
static bool is_signed(const struct api_auth *a, struct slice header)
{
    struct slice list = a->claim.signed_headers;

    while (list.n > 0) {
        const char *end = memchr(list.p, ';', list.n);
        size_t n = end ? (size_t)(end - list.p) : list.n;

        if (same_name(slice_of(list.p, n), header))
            return true;
        n += end != NULL;
        list = slice_of(list.p + n, list.n - n);
    }
    return false;
}

/* What is not signed could have been changed by anybody on the way: the host, and all that steers the request. */
static int check_signed_headers(const struct api_auth *a, const struct api_auth_headers *h, struct api_error *e)
{
    for (size_t i = 0; i < h->n; i++) {
        struct slice name = h->v[i].name;
        bool steers = name.n > 6 && strncasecmp(name.p, "x-amz-", 6) == 0;

        if ((steers || same_name(name, SLICE("host"))) && !is_signed(a, name))
            return api_error_set(e, API_INVALID_SIGNATURE, "'%.*s' must be a 'SignedHeader' in the AWS Authorization.",
                                 (int)name.n, name.p);
    }
    return 0;
}

static const struct api_credential *find_key(struct api_auth_keys keys, struct slice id)
{
    for (size_t i = 0; i < keys.n; i++)
        if (slice_is(id, keys.v[i].access_key_id))
            return &keys.v[i];
    return NULL;
}

static int check_scope(const struct api_auth *a, const char *service, struct api_error *e)
{
    const struct sigv4_scope *scope = &a->claim.scope;

    if (!slice_is(scope->service, service))
        return api_error_set(e, API_INVALID_SIGNATURE, "Credential should be scoped to correct service: '%s'.",
                             service);
    if (strncmp(scope->date, a->timestamp, 8) != 0)
        return api_error_set(e, API_INVALID_SIGNATURE,
                             "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
                             "HTTP: '%s' != '%.8s', from '%s'.",
                             scope->date, a->timestamp, a->timestamp);
    return 0;
}

static int check_skew(const struct api_auth *a, nsec at, nsec now, struct api_error *e)
{
    char now_text[17], edge[17];

    if (at >= now - API_AUTH_SKEW && at <= now + API_AUTH_SKEW)
        return 0;
    sigv4_timestamp(now, now_text);
    if (at < now) {
        sigv4_timestamp(now - API_AUTH_SKEW, edge);
        return api_error_set(e, API_INVALID_SIGNATURE, "Signature expired: %s is now earlier than %s (%s - 15 min.)",
                             a->timestamp, edge, now_text);
    }
    sigv4_timestamp(now + API_AUTH_SKEW, edge);
    return api_error_set(e, API_INVALID_SIGNATURE,
                         "Signature not yet current: %s is still later than %s (%s + 15 min.)", a->timestamp, edge,
                         now_text);
}

int api_auth_begin(struct api_auth *a, struct api_auth_keys keys, const struct api_auth_headers *headers, nsec wall_now,
                   struct api_error *e)
{
    struct slice value;
    struct err why;
    nsec at;

    if (!find(headers, "authorization", &value))
        return api_error_set(e, API_MISSING_TOKEN, "Missing Authentication Token");
    if (sigv4_parse_authorization(value, &a->claim, &why) < 0)
        return api_error_set(e, API_INCOMPLETE_SIGNATURE, "%s", why.msg);
    if (!find(headers, "x-amz-date", &value) || sigv4_parse_timestamp(value, &at) < 0)
        return api_error_set(e, API_INCOMPLETE_SIGNATURE,
                             "Authorization header requires existence of a valid 'X-Amz-Date' header.");
    snprintf(a->timestamp, sizeof(a->timestamp), "%.*s", (int)value.n, value.p);
    a->key = find_key(keys, a->claim.access_key_id);
    if (!a->key)
        return api_error_set(e, API_UNRECOGNIZED_CLIENT, "The security token included in the request is invalid.");
    if (check_skew(a, at, wall_now, e) < 0 || check_scope(a, keys.service ? keys.service : "firehose", e) < 0)
        return -1;
    return check_signed_headers(a, headers, e);
}

int api_auth_finish(const struct api_auth *a, const struct api_auth_headers *headers, struct slice body,
                    struct api_error *e)
{
    struct sigv4_header picked[SIGV4_HEADERS_MAX];
    struct sigv4_request rq = {.method = SLICE("POST"), .path = SLICE("/"), .headers = picked};
    char payload[SHA256_HEX], want[SHA256_HEX];
    unsigned char hash[SHA256_BYTES];

    for (size_t i = 0; i < headers->n; i++)
        if (is_signed(a, headers->v[i].name))
            picked[rq.header_count++] = headers->v[i];
    sha256_of(body, hash);
    rq.payload_hash = slice_of(hex_encode(hash, sizeof(hash), payload), SHA256_HEX - 1);
    if (sigv4_sign(&rq, a->timestamp, &a->claim.scope, slice_str(a->key->secret_access_key), want) < 0)
        return api_error_set(e, API_INVALID_SIGNATURE, "too many headers are signed");
    if (a->claim.signature.n != SHA256_HEX - 1 || !equal_constant_time(a->claim.signature.p, want, SHA256_HEX - 1))
        return api_error_set(e, API_INVALID_SIGNATURE, "%s", MISMATCH);
    return 0;
}
