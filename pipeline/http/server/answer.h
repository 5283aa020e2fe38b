/* answer.h -- the answer of an owner whose requests are posts: a short text, and the headers that go with its status.
 *
 * The API and the admin pages have headers of their own and make theirs themselves.
 */
#ifndef PIPELINE_HTTP_SERVER_ANSWER_H
#define PIPELINE_HTTP_SERVER_ANSWER_H

#include "pipeline/base/buf.h"
#include "pipeline/http/server/server.h"

struct http_answer {
    unsigned status;
    const char *type;        /* Content-Type */
    struct slice text;       /* copied */
    struct buf *body;        /* instead of it: taken over, and empty afterwards */
    const char *retry_after; /* with 429 and 503: seconds */
    const char *realm;       /* with 401: a name and a password are asked for */
    bool close;              /* the connection ends behind it */
    struct http_answer_header {
        const char *name, *value;
    } more; /* one more header; a NULL name: none */
};

/* MHD_NO: there is no memory, or the connection ends. With 405 it says that POST is allowed. */
enum MHD_Result http_answer(struct http_exchange *x, const struct http_answer *a);

#endif
