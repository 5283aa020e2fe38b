/* Of what came, only what HTTP itself says of it; times are cut to what can be counted in nanoseconds. */
#include "pipeline/http/message.h"

#include "pipeline/base/certificates.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/tls_files.h"

#include <assert.h>
#include <strings.h>
#include <time.h>

#define DATE_MAX (INT64_MAX / NSEC_PER_SEC)

void http_request_release(struct http_request *rq)
{
    for (size_t i = 0; i < rq->header_count; i++)
        mem_free(rq->headers[i]);
    mem_free(rq->url);
    mem_free(rq->text);
    http_tls_leave(rq->tls);
    authorities_leave(rq->system);
    *rq = (struct http_request){0};
}

/* A line break in a value would begin a header of its own. */
static bool one_line(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
            return false;
    return true;
}

void http_request_header(struct http_request *rq, const char *name, struct slice value)
{
    assert(rq->header_count < HTTP_HEADERS_MAX);
    assert(one_line(value));
    rq->headers[rq->header_count++] = mem_printf("%s: %.*s", name, (int)value.n, value.p);
}

struct slice http_response_header(const struct http_response *re, const char *name)
{
    struct slice rest = re->headers, line;
    size_t n = strlen(name);

    while (slice_take_line(&rest, &line))
        if (line.n > n && line.p[n] == ':' && strncasecmp(line.p, name, n) == 0)
            return slice_trim(slice_of(line.p + n + 1, line.n - n - 1));
    return (struct slice){NULL, 0};
}

/* RFC 9110 section 5.6.7: the form to send, and the two old ones that must be understood. */
bool http_date(struct slice text, nsec *wall)
{
    static const char *const FORMS[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y"};
    char copy[64];

    if (text.n == 0 || text.n >= sizeof(copy))
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(FORMS); i++) {
        struct tm tm = {0};
        const char *end = strptime(copy, FORMS[i], &tm);

        if (end && *end == '\0') {
            time_t s = timegm(&tm); /* nanoseconds since 1970 end in 2262, dates in headers do not */

            *wall = (s < 0 ? 0 : s > DATE_MAX ? DATE_MAX : (nsec)s) * NSEC_PER_SEC;
            return true;
        }
    }
    return false;
}

static bool seconds(struct slice text, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        if (*out <= HTTP_RETRY_AFTER_MAX)
            *out = *out * 10 + (text.p[i] - '0');
    }
    return text.n > 0;
}

nsec http_retry_after(const struct http_response *re)
{
    struct slice value = http_response_header(re, "Retry-After");
    int64_t s;
    nsec at;

    if (!seconds(value, &s)) {
        if (!http_date(value, &at) || at <= re->wall_now)
            return 0;
        s = (at - re->wall_now - 1) / NSEC_PER_SEC + 1;
    }
    return (s > HTTP_RETRY_AFTER_MAX ? HTTP_RETRY_AFTER_MAX : s) * NSEC_PER_SEC;
}
