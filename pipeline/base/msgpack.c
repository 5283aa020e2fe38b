#include "pipeline/base/msgpack.h"

#include <string.h>

/* Of the codes 0xc0 to 0xdf: what it is, and how many bytes of number follow: a value, or the length of what follows them. */
static const struct {
    signed char kind; /* -1: there is no such value */
    unsigned char width;
} CODES[32] = {
    {MSGPACK_NIL, 0},  {-1, 0},           {MSGPACK_BOOL, 0}, {MSGPACK_BOOL, 0}, {MSGPACK_BIN, 1},   {MSGPACK_BIN, 2},
    {MSGPACK_BIN, 4},  {MSGPACK_EXT, 1},  {MSGPACK_EXT, 2},  {MSGPACK_EXT, 4},  {MSGPACK_FLOAT, 4}, {MSGPACK_DOUBLE, 8},
    {MSGPACK_UINT, 1}, {MSGPACK_UINT, 2}, {MSGPACK_UINT, 4}, {MSGPACK_UINT, 8}, {MSGPACK_INT, 1},   {MSGPACK_INT, 2},
    {MSGPACK_INT, 4},  {MSGPACK_INT, 8},  {MSGPACK_EXT, 0},  {MSGPACK_EXT, 0},  {MSGPACK_EXT, 0},   {MSGPACK_EXT, 0},
    {MSGPACK_EXT, 0},  {MSGPACK_STR, 1},  {MSGPACK_STR, 2},  {MSGPACK_STR, 4},  {MSGPACK_ARRAY, 2}, {MSGPACK_ARRAY, 4},
    {MSGPACK_MAP, 2},  {MSGPACK_MAP, 4},
};

enum head { HEAD_WHOLE, HEAD_CUT, HEAD_NONE };

static uint64_t big_endian(const unsigned char *p, unsigned width)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < width; i++)
        n = n << 8 | p[i];
    return n;
}

static void set_number(struct msgpack_value *v, unsigned width, uint64_t n)
{
    uint32_t bits = (uint32_t)n;
    float single;

    switch (v->kind) {
    case MSGPACK_UINT:
        v->u.number = n;
        return;
    case MSGPACK_INT:
        v->u.integer = (int64_t)(n << (64 - 8 * width)) >> (64 - 8 * width);
        return;
    case MSGPACK_FLOAT:
        memcpy(&single, &bits, sizeof(single));
        v->u.real = (double)single;
        return;
    case MSGPACK_DOUBLE:
        memcpy(&v->u.real, &n, sizeof(v->u.real));
        return;
    case MSGPACK_ARRAY:
    case MSGPACK_MAP:
        v->count = (uint32_t)n;
        return;
    default:
        v->bytes.n = n;
        return;
    }
}

/* Those that have all in one byte. */
static bool is_short(unsigned code, struct msgpack_value *v)
{
    if (code < 0x80) {
        v->kind = MSGPACK_UINT;
        v->u.number = code;
    } else if (code < 0xa0) {
        v->kind = code < 0x90 ? MSGPACK_MAP : MSGPACK_ARRAY;
        v->count = code & 0xf;
    } else if (code < 0xc0) {
        v->kind = MSGPACK_STR;
        v->bytes.n = code & 0x1f;
    } else if (code >= 0xe0) {
        v->kind = MSGPACK_INT;
        v->u.integer = (int64_t)code - 0x100;
    } else {
        return false;
    }
    return true;
}

/* All before the bytes of a text; v->bytes.n says how many these are. */
static enum head take_head(struct slice *rest, struct msgpack_value *v)
{
    const unsigned char *p = (const unsigned char *)rest->p;
    unsigned code, width;
    size_t need;

    *v = (struct msgpack_value){.kind = MSGPACK_NIL};
    if (rest->n == 0)
        return HEAD_CUT;
    code = p[0];
    need = 1;
    if (!is_short(code, v)) {
        if (CODES[code - 0xc0].kind < 0)
            return HEAD_NONE;
        v->kind = (enum msgpack_kind)CODES[code - 0xc0].kind;
        width = CODES[code - 0xc0].width;
        need = 1 + width + (v->kind == MSGPACK_EXT);
        if (rest->n < need)
            return HEAD_CUT;
        if (v->kind == MSGPACK_BOOL)
            v->u.truth = code == 0xc3;
        else if (width > 0)
            set_number(v, width, big_endian(p + 1, width));
        else if (v->kind == MSGPACK_EXT)
            v->bytes.n = (size_t)1 << (code - 0xd4);
        if (v->kind == MSGPACK_EXT)
            v->ext = (int8_t)p[need - 1];
    }
    *rest = slice_from(*rest, need);
    v->bytes.p = rest->p;
    return HEAD_WHOLE;
}

bool msgpack_next(struct slice *rest, struct msgpack_value *v)
{
    struct slice behind = *rest;

    if (take_head(&behind, v) != HEAD_WHOLE || behind.n < v->bytes.n)
        return false;
    *rest = slice_from(behind, v->bytes.n);
    return true;
}

static uint64_t items_of(const struct msgpack_value *v)
{
    return v->kind == MSGPACK_MAP ? 2 * (uint64_t)v->count : v->kind == MSGPACK_ARRAY ? v->count : 0;
}

/* One value less, and those that are complete with it. True: it was the last of all. */
static bool is_done(struct msgpack_scan *s)
{
    while (s->depth > 0 && --s->left[s->depth - 1] == 0)
        s->depth--;
    return s->depth == 0;
}

enum msgpack_found msgpack_scan(struct msgpack_scan *s, struct slice in)
{
    while (s->at <= in.n) {
        struct slice rest = slice_from(in, s->at);
        struct msgpack_value v;
        uint64_t items;

        if (s->begun && s->depth == 0)
            return MSGPACK_WHOLE;
        switch (take_head(&rest, &v)) {
        case HEAD_CUT:
            return MSGPACK_PART;
        case HEAD_NONE:
            return MSGPACK_MALFORMED;
        case HEAD_WHOLE:
            break;
        }
        s->begun = true;
        s->at = in.n - rest.n + v.bytes.n;
        items = items_of(&v);
        if (items > 0) {
            if (s->depth == MSGPACK_DEPTH_MAX)
                return MSGPACK_DEEP;
            s->left[s->depth++] = items;
        } else if (is_done(s)) {
            return s->at <= in.n ? MSGPACK_WHOLE : MSGPACK_PART;
        }
    }
    return MSGPACK_PART;
}

bool msgpack_take(struct slice *rest, struct slice *whole)
{
    struct msgpack_scan s = {.at = 0};

    if (msgpack_scan(&s, *rest) != MSGPACK_WHOLE)
        return false;
    if (whole)
        *whole = slice_of(rest->p, s.at);
    *rest = slice_from(*rest, s.at);
    return true;
}

bool msgpack_pass(struct slice *rest, const struct msgpack_value *v)
{
    struct slice behind = *rest;

    for (uint64_t n = items_of(v); n > 0; n--)
        if (!msgpack_take(&behind, NULL))
            return false;
    *rest = behind;
    return true;
}

/* --- answers --------------------------------------------------------------------------------------------------------- */

static int put(struct buf *out, unsigned code, uint64_t n, unsigned width)
{
    char bytes[9];

    bytes[0] = (char)code;
    for (unsigned i = 0; i < width; i++)
        bytes[1 + i] = (char)(n >> (8 * (width - 1 - i)));
    return buf_add(out, bytes, 1 + width);
}

int msgpack_put_head(struct buf *out, enum msgpack_kind kind, uint32_t n)
{
    bool map = kind == MSGPACK_MAP;

    return n < 16 ? put(out, (map ? 0x80 : 0x90) | n, 0, 0) : put(out, map ? 0xdf : 0xdd, n, 4);
}

int msgpack_put_str(struct buf *out, struct slice text)
{
    int rc = text.n < 32        ? put(out, 0xa0 | (unsigned)text.n, 0, 0)
             : text.n <= 0xff   ? put(out, 0xd9, text.n, 1)
             : text.n <= 0xffff ? put(out, 0xda, text.n, 2)
                                : put(out, 0xdb, text.n, 4);

    return rc < 0 ? -1 : buf_add_slice(out, text);
}

int msgpack_put_bool(struct buf *out, bool truth)
{
    return put(out, truth ? 0xc3 : 0xc2, 0, 0);
}
