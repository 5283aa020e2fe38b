#include "pipeline/http/server/answer.h"

#include <stdint.h>
#include <stdio.h>

static void free_body(void *p)
{
    struct buf b = {.p = p};

    buf_release(&b);
}

static struct MHD_Response *response_of(const struct http_answer *a)
{
    void *text = a->text.n ? (void *)(uintptr_t)a->text.p : (void *)(uintptr_t) "";
    struct MHD_Response *re;

    if (!a->body || a->body->n == 0) {
        if (a->body)
            buf_release(a->body);
        return MHD_create_response_from_buffer(a->text.n, text, MHD_RESPMEM_MUST_COPY);
    }
    re = MHD_create_response_from_buffer_with_free_callback(a->body->n, a->body->p, free_body);
    if (re)
        *a->body = (struct buf){.max = a->body->max};
    else
        buf_release(a->body);
    return re;
}

enum MHD_Result http_answer(struct http_exchange *x, const struct http_answer *a)
{
    struct MHD_Response *re = response_of(a);
    enum MHD_Result rc = MHD_NO;
    char ask[64];

    if (!re)
        return MHD_NO;
    snprintf(ask, sizeof(ask), "Basic realm=\"%s\"", a->realm);
    if (MHD_add_response_header(re, "Content-Type", a->type) == MHD_YES &&
        ((a->status != MHD_HTTP_SERVICE_UNAVAILABLE && a->status != MHD_HTTP_TOO_MANY_REQUESTS) ||
         MHD_add_response_header(re, "Retry-After", a->retry_after) == MHD_YES) &&
        (a->status != MHD_HTTP_UNAUTHORIZED || MHD_add_response_header(re, "WWW-Authenticate", ask) == MHD_YES) &&
        (a->status != MHD_HTTP_METHOD_NOT_ALLOWED || MHD_add_response_header(re, "Allow", "POST") == MHD_YES) &&
        (!a->more.name || MHD_add_response_header(re, a->more.name, a->more.value) == MHD_YES) &&
        (!a->close || MHD_add_response_header(re, "Connection", "close") == MHD_YES))
        rc = MHD_queue_response(x->connection, a->status, re);
    MHD_destroy_response(re);
    return rc;
}
