#include "pipeline/inputs/api/error.h"

#include "pipeline/base/json.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    unsigned status;
    const char *name;
} CODES[] = {{200, ""},
#define X(id, status, name) {status, name},
             API_CODES(X)
#undef X
};

int api_error_set(struct api_error *e, enum api_code code, const char *fmt, ...)
{
    va_list ap;

    e->code = code;
    va_start(ap, fmt);
    vsnprintf(e->message, sizeof(e->message), fmt, ap);
    va_end(ap);
    return -1;
}

unsigned api_error_status(enum api_code code)
{
    return CODES[code].status;
}

const char *api_error_name(enum api_code code)
{
    return CODES[code].name;
}

int api_error_body(const struct api_error *e, struct buf *out)
{
    if (buf_printf(out, "{\"__type\":\"%s\",\"message\":", api_error_name(e->code)) < 0 ||
        json_quote(slice_str(e->message), out) < 0)
        return -1;
    return buf_add_char(out, '}');
}
