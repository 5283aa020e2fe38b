/* One step of a frame after another, each of which takes the bytes that are its own. Lines of the head are gathered in a buffer of their own
 * and understood when they are whole; a body goes straight where it stays. */
#include "pipeline/inputs/stomp/parser.h"

#include <assert.h>
#include <string.h>

/* Without them a frame cannot be understood, or answered. */
static const char *const NEEDED[] = {"content-length", "message-id",  "ack",     "subscription",
                                     "destination",    "redelivered", "version", "heart-beat",
                                     "message",        "receipt-id",  "session", "server"};

void stomp_parser_init(struct stomp_parser *p, size_t body_max)
{
    *p = (struct stomp_parser){.body_max = body_max};
    buf_init(&p->line, STOMP_LINE_MAX);
    buf_init(&p->text, STOMP_HEAD_KEEP + (ARRAY_LEN(NEEDED) + 1) * STOMP_LINE_MAX);
    buf_init(&p->body, body_max);
}

void stomp_parser_release(struct stomp_parser *p)
{
    buf_release(&p->line);
    buf_release(&p->text);
    buf_release(&p->body);
}

void stomp_parser_next(struct stomp_parser *p)
{
    buf_clear(&p->line);
    buf_clear(&p->text);
    buf_clear(&p->body);
    buf_trim(&p->body, STOMP_BODY_KEEP);
    p->line_cut = p->headers_cut = p->body_too_large = false;
    p->head_bytes = p->header_count = p->body_size = p->body_left = p->command_n = 0;
    p->step = STOMP_BETWEEN;
}

void stomp_parser_reset(struct stomp_parser *p)
{
    stomp_parser_next(p);
}

/* --- headers ------------------------------------------------------------------------------------------------------- */

void stomp_header_at(const struct stomp_parser *p, size_t i, struct slice *name, struct slice *value)
{
    const struct stomp_header *h = &p->headers[i];

    *name = slice_of(p->text.p + h->name_at, h->name_n);
    *value = slice_of(p->text.p + h->value_at, h->value_n);
}

static bool find(const struct stomp_parser *p, struct slice wanted, struct slice *value)
{
    struct slice name;

    for (size_t i = 0; i < p->header_count; i++) {
        stomp_header_at(p, i, &name, value);
        if (slice_eq(name, wanted))
            return true;
    }
    *value = SLICE("");
    return false;
}

struct slice stomp_command(const struct stomp_parser *p)
{
    return slice_of(p->text.p, p->command_n);
}

bool stomp_header(const struct stomp_parser *p, const char *name, struct slice *value)
{
    return find(p, slice_str(name), value);
}

static bool is_needed(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(NEEDED); i++)
        if (slice_is(name, NEEDED[i]))
            return true;
    return false;
}

static int escaped(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 'c':
        return ':';
    case '\\':
        return '\\';
    default:
        return -1;
    }
}

/* In place: what is decoded is never longer. */
static size_t unescape(char *p, size_t n)
{
    size_t out = 0;

    for (size_t i = 0; i < n; i++) {
        int c = p[i] == '\\' && i + 1 < n ? escaped(p[i + 1]) : -1;

        p[out++] = c >= 0 ? (char)c : p[i];
        i += c >= 0;
    }
    return out;
}

/* The values of CONNECTED are as they are. */
static bool has_escapes(const struct stomp_parser *p)
{
    return !slice_is(stomp_command(p), "CONNECTED");
}

static int take_header(struct stomp_parser *p, struct slice line, struct err *e)
{
    const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
    struct slice name, value, known;
    struct stomp_header h;

    if (!colon && !p->line_cut)
        return err_set(e, ERR_FORMAT, "a header without a colon: what answers is no STOMP server");
    name = slice_of(line.p, colon ? (size_t)(colon - line.p) : 0);
    value = colon ? slice_from(line, name.n + 1) : SLICE("");
    if (p->line_cut && is_needed(name))
        return err_set(e, ERR_FORMAT, "the header `%.*s` has more than %d bytes", (int)name.n, name.p,
                       (int)STOMP_LINE_MAX);
    if (p->line_cut || (!is_needed(name) && (p->header_count >= STOMP_HEADERS_MAX - ARRAY_LEN(NEEDED) ||
                                             p->text.n + line.n > STOMP_HEAD_KEEP))) {
        p->headers_cut = true;
        return 0;
    }
    h = (struct stomp_header){.name_at = p->text.n, .name_n = name.n};
    if (buf_add_slice(&p->text, name) < 0 || buf_add_slice(&p->text, value) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the headers of a message");
    h.value_at = h.name_at + name.n;
    h.value_n = value.n;
    if (has_escapes(p)) {
        h.name_n = unescape(p->text.p + h.name_at, h.name_n);
        h.value_n = unescape(p->text.p + h.value_at, h.value_n);
    }
    name = slice_of(p->text.p + h.name_at, h.name_n);
    if (find(p, name, &known)) {
        p->text.n = h.name_at;
        return 0;
    }
    assert(p->header_count < STOMP_HEADERS_MAX); /* there is a place for each that is needed */
    p->headers[p->header_count++] = h;
    return 0;
}

static bool is_command(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 'A' || s.p[i] > 'Z')
            return false;
    return s.n > 0 && s.n <= STOMP_COMMAND_MAX;
}

/* --- bodies -------------------------------------------------------------------------------------------------------- */

static int begin_body(struct stomp_parser *p, struct err *e)
{
    struct slice length;
    size_t n = 0;

    if (!stomp_header(p, "content-length", &length)) {
        p->step = STOMP_BODY;
        return 0;
    }
    for (size_t i = 0; i < length.n; i++) {
        if (length.p[i] < '0' || length.p[i] > '9' || n > (SIZE_MAX - 9) / 10)
            return err_set(e, ERR_FORMAT, "a content-length that is no number");
        n = n * 10 + (size_t)(length.p[i] - '0');
    }
    if (length.n == 0)
        return err_set(e, ERR_FORMAT, "a content-length that is no number");
    p->body_left = p->body_size = n;
    p->body_too_large = n > p->body_max;
    p->step = n > 0 ? STOMP_SIZED_BODY : STOMP_BODY_END;
    return 0;
}

static int keep(struct stomp_parser *p, struct slice bytes, struct err *e)
{
    if (!p->body_too_large && bytes.n > p->body_max - p->body.n) {
        p->body_too_large = true;
        buf_release(&p->body);
    }
    if (p->body_too_large)
        return 0;
    if (buf_add_slice(&p->body, bytes) < 0)
        return err_set(e, ERR_NOMEM, "no memory for a message of %zu bytes", p->body.n + bytes.n);
    return 0;
}

/* --- steps --------------------------------------------------------------------------------------------------------- */

static void skip_heart_beats(struct stomp_parser *p, struct slice *bytes)
{
    while (bytes->n > 0 && (bytes->p[0] == '\n' || bytes->p[0] == '\r'))
        *bytes = slice_from(*bytes, 1);
    if (bytes->n > 0)
        p->step = STOMP_COMMAND;
}

static int end_line(struct stomp_parser *p, struct err *e)
{
    struct slice line = buf_slice(&p->line);
    int rc = 0;

    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (p->step == STOMP_COMMAND) {
        if (p->line_cut || !is_command(line))
            return err_set(e, ERR_FORMAT, "a frame that begins with no command: what answers is no STOMP server");
        if (buf_add_slice(&p->text, line) < 0)
            return err_set(e, ERR_NOMEM, "no memory for the headers of a message");
        p->command_n = line.n;
        p->step = STOMP_HEADERS;
    } else if (line.n == 0) {
        rc = begin_body(p, e);
    } else {
        rc = take_header(p, line, e);
    }
    buf_clear(&p->line);
    p->line_cut = false;
    return rc;
}

static int take_line(struct stomp_parser *p, struct slice *bytes, struct err *e)
{
    const char *end = memchr(bytes->p, '\n', bytes->n);
    size_t n = end ? (size_t)(end - bytes->p) : bytes->n, room = STOMP_LINE_MAX - p->line.n;

    p->head_bytes += n + (end != NULL);
    if (p->head_bytes > STOMP_HEAD_MAX)
        return err_set(e, ERR_FORMAT, "the headers of a frame have more than %d bytes", (int)STOMP_HEAD_MAX);
    if (p->step == STOMP_COMMAND && p->line.n + n > STOMP_COMMAND_MAX + 1)
        return err_set(e, ERR_FORMAT, "a frame that begins with no command: what answers is no STOMP server");
    if (n > room)
        p->line_cut = true;
    if (buf_add(&p->line, bytes->p, n < room ? n : room) < 0)
        return err_set(e, ERR_NOMEM, "no memory for the headers of a message");
    *bytes = slice_from(*bytes, end ? n + 1 : n);
    return end ? end_line(p, e) : 0;
}

static int take_sized(struct stomp_parser *p, struct slice *bytes, struct err *e)
{
    size_t n = bytes->n < p->body_left ? bytes->n : p->body_left;

    if (keep(p, slice_of(bytes->p, n), e) < 0)
        return -1;
    *bytes = slice_from(*bytes, n);
    p->body_left -= n;
    if (p->body_left == 0)
        p->step = STOMP_BODY_END;
    return 0;
}

static int take_until_nul(struct stomp_parser *p, struct slice *bytes, struct err *e)
{
    const char *end = memchr(bytes->p, '\0', bytes->n);
    size_t n = end ? (size_t)(end - bytes->p) : bytes->n;

    if (keep(p, slice_of(bytes->p, n), e) < 0)
        return -1;
    p->body_size += n;
    *bytes = slice_from(*bytes, n);
    if (end)
        p->step = STOMP_BODY_END;
    return 0;
}

static int take_end(struct stomp_parser *p, struct slice *bytes, struct err *e)
{
    if (bytes->p[0] != '\0')
        return err_set(e, ERR_FORMAT, "a body is not as long as its content-length");
    *bytes = slice_from(*bytes, 1);
    p->step = STOMP_WHOLE;
    return 0;
}

enum stomp_parsed stomp_parser_take(struct stomp_parser *p, struct slice *bytes, struct err *e)
{
    while (bytes->n > 0 && p->step != STOMP_WHOLE) {
        int rc = 0;

        switch (p->step) {
        case STOMP_BETWEEN:
            skip_heart_beats(p, bytes);
            break;
        case STOMP_COMMAND:
        case STOMP_HEADERS:
            rc = take_line(p, bytes, e);
            break;
        case STOMP_SIZED_BODY:
            rc = take_sized(p, bytes, e);
            break;
        case STOMP_BODY:
            rc = take_until_nul(p, bytes, e);
            break;
        case STOMP_BODY_END:
            rc = take_end(p, bytes, e);
            break;
        case STOMP_WHOLE:
            break;
        }
        if (rc < 0)
            return STOMP_BROKEN;
    }
    return p->step == STOMP_WHOLE ? STOMP_FRAME : STOMP_MORE;
}
