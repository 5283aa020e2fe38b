#include "pipeline/encode/error_line.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/json.h"

static int add_data(struct slice data, struct buf *out)
{
    size_t n = base64_encoded_length(data.n);

    if (buf_reserve(out, n + BASE64_SLACK) < 0)
        return -1;
    base64_encode(data, out->p + out->n);
    out->n += n;
    return 0;
}

int error_line_write(const struct error_line *l, struct buf *out)
{
    if (buf_add_str(out, "{\"attemptsMade\":") < 0 || buf_add_int(out, l->attempts) < 0 ||
        buf_add_str(out, ",\"arrivalTimestamp\":") < 0 || buf_add_int(out, l->arrival / NSEC_PER_MSEC) < 0 ||
        buf_add_str(out, ",\"errorCode\":") < 0 || json_quote(l->code, out) < 0 ||
        buf_add_str(out, ",\"errorMessage\":") < 0 || json_quote(l->message, out) < 0 ||
        buf_add_str(out, ",\"attemptEndingTimestamp\":") < 0 || buf_add_int(out, l->ended / NSEC_PER_MSEC) < 0 ||
        buf_add_slice(out, l->more) < 0 || buf_add_str(out, ",\"rawData\":\"") < 0 || add_data(l->data, out) < 0)
        return -1;
    return buf_add_str(out, "\"}\n");
}
