/* fuzz_stomp.c -- bytes of a server, in pieces that the input chooses: the same frames come out as of one piece, within the bounds, and a whole
 * session takes whatever it is.
 */
#include "pipeline/inputs/stomp/parser.h"
#include "pipeline/inputs/stomp/session.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 300 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void add(struct buf *out, struct slice s)
{
    check(buf_add_slice(out, s) == 0 && buf_add_char(out, '|') == 0);
}

static void describe(const struct stomp_parser *p, struct buf *out)
{
    struct slice name, value;

    check(p->header_count <= STOMP_HEADERS_MAX && p->body.n <= BODY_MAX);
    check(p->body_too_large ? p->body.n == 0 && p->body_size > BODY_MAX : p->body.n == p->body_size);
    add(out, stomp_command(p));
    for (size_t i = 0; i < p->header_count; i++) {
        stomp_header_at(p, i, &name, &value);
        add(out, name);
        add(out, value);
    }
    add(out, buf_slice(&p->body));
}

/* `piece` 0: as the first bytes say. */
static bool parse(struct slice all, size_t piece, struct buf *out)
{
    const unsigned char *sizes = (const unsigned char *)all.p;
    struct stomp_parser p;
    enum stomp_parsed got = STOMP_MORE;
    struct err e;
    size_t turn = 0;

    stomp_parser_init(&p, BODY_MAX);
    for (struct slice rest = all; rest.n > 0 && got != STOMP_BROKEN; turn++) {
        size_t n = piece ? piece : (size_t)sizes[turn % all.n] % 7 + 1;
        struct slice some = slice_of(rest.p, n < rest.n ? n : rest.n);
        size_t before = some.n;

        got = stomp_parser_take(&p, &some, &e);
        check(got != STOMP_MORE || some.n == 0);
        rest = slice_from(rest, before - some.n);
        if (got == STOMP_FRAME) {
            describe(&p, out);
            stomp_parser_next(&p);
        }
    }
    stomp_parser_release(&p);
    return got != STOMP_BROKEN;
}

static void run_session(struct slice bytes)
{
    const struct stomp_session_conf conf = {
        .vhost = "h", .destination = "/queue/q", .prefetch = 10, .body_max = BODY_MAX, .nack_too_large = true};
    const struct broker_protocol *p = &stomp_protocol;
    struct stomp_session s;
    struct err e;
    uint64_t number = 0;
    nsec now = NSEC_PER_SEC;
    int rc = 0;

    stomp_session_init(&s, &conf);
    p->begin(&s, now);
    while (bytes.n > 0 && rc == 0) {
        rc = p->take(&s, &bytes, now, &e);
        if (rc < 0) {
            check(p->hint(&s) != NULL && p->message(&s) == NULL && e.msg[0]);
            break;
        }
        check(bytes.n == 0 || p->message(&s));
        if (p->message(&s) && p->message(&s)->too_large)
            p->refuse(&s);
        else if (p->message(&s))
            p->keep(&s, ++number);
        if (number % 3 == 0)
            p->safe(&s, number);
        while (p->out(&s).n > 0)
            p->wrote(&s, p->out(&s).n, now);
        rc = p->tick(&s, true, now, &e);
    }
    p->leave(&s, now);
    p->safe(&s, number);
    while (p->out(&s).n > 0)
        p->wrote(&s, p->out(&s).n, now);
    stomp_session_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(size ? size : 1, 1); /* its end is known to the sanitizer */
    struct slice all = slice_of(text, size);
    struct buf whole, pieces;

    if (size)
        memcpy(text, data, size);
    buf_init(&whole, 64 << 20);
    buf_init(&pieces, 64 << 20);
    if (size > 0) {
        check(parse(all, size, &whole) == parse(all, 0, &pieces));
        check(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
        run_session(all);
    }
    buf_release(&whole);
    buf_release(&pieces);
    free(text);
    return 0;
}
