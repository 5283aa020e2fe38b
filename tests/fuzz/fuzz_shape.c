/* fuzz_shape.c -- bytes of a file in pieces that the input chooses, with a sink that is full now and then: the same records come of them as of
 * one piece with a sink that takes all, for each stream of a container, and each once. The first byte says how the tail is configured.
 */
#include "pipeline/inputs/tail/shape.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct play {
    struct shape *shape;
    enum tail_encoding encoding;
    struct slice all;
    size_t next[TAIL_STREAMS];
    size_t room; /* records that the sink takes before it is full */
    char record[FRAME_MAX_BYTES];
    struct buf got[TAIL_STREAMS];
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static char *space(void *ctx, size_t *room)
{
    struct play *p = ctx;

    *room = p->room > 0 ? sizeof(p->record) : 0;
    return p->record;
}

static bool wrote(void *ctx, size_t n, struct slice facts)
{
    struct play *p = ctx;
    struct slice output = {0};
    struct buf *to;

    p->room--;
    (void)facts_find(facts, SLICE("output"), &output);
    to = &p->got[slice_is(output, "stderr")];
    check(buf_add(to, p->record, n) == 0 && buf_add_char(to, '|') == 0);
    return true;
}

static struct shape_out step(struct play *p, size_t to, enum shape_end end)
{
    size_t base = p->next[0] < p->next[1] ? p->next[0] : p->next[1];
    struct shape_in in = {.bytes = slice_of(p->all.p + base, to - base), .encoding = p->encoding, .end = end};
    const struct shape_sink sink = {space, wrote, p};
    struct shape_out out;

    for (size_t i = 0; i < TAIL_STREAMS; i++)
        in.ahead[i] = p->next[i] - base;
    out = shape_run(p->shape, &in, &sink);
    check(!out.full || out.records > 0);
    for (size_t i = 0; i < TAIL_STREAMS; i++) {
        check(out.next[i] <= in.bytes.n && base + out.next[i] >= p->next[i]);
        p->next[i] = base + out.next[i];
    }
    return out;
}

/* `pieces` empty: all at once. */
static void play(struct play *p, struct slice pieces)
{
    size_t to = 0;
    struct shape_out out;

    for (size_t i = 0; i < pieces.n && to < p->all.n; i++) {
        size_t n = (unsigned char)pieces.p[i];

        to = p->all.n - to > n ? to + n : p->all.n;
        p->room = 1 + n % 3;
        (void)step(p, to, SHAPE_GOES_ON);
    }
    do {
        p->room = pieces.n > 0 ? 2 : SIZE_MAX;
        out = step(p, p->all.n, SHAPE_ENDS);
    } while (out.full);
    check(p->next[0] == p->all.n && p->next[1] == p->all.n);
}

static struct multiline *multiline_of(unsigned kind)
{
    static const char *const starts[] = {"^S", NULL, "^S"}, *const go_ons[] = {NULL, "^[ \t]", "^ "};
    struct multiline *m = NULL;
    struct err e;

    if (kind >= 1 && kind <= 3)
        check(multiline_new(&m, MULTILINE_OWN, starts[kind - 1], go_ons[kind - 1], &e) == 0);
    else if (kind >= 4 && kind < 4 + MULTILINE_DOTNET)
        check(multiline_new(&m, (enum multiline_preset)(kind - 3), NULL, NULL, &e) == 0);
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum tail_encoding encodings[] = {TAIL_UTF8, TAIL_LATIN1, TAIL_UTF16LE, TAIL_UTF16BE};
    static struct play whole, cut;
    struct shape_conf c = {.timeout = INT64_MAX};
    struct play *plays[] = {&whole, &cut};
    size_t pieces;

    if (size < 3)
        return 0;
    c.container = (enum container_format)(data[0] & 3);
    c.multiline = multiline_of(data[1] & 15);
    pieces = (size_t)data[2] % (size - 2);
    for (size_t i = 0; i < 2; i++) {
        struct play *p = plays[i];

        p->encoding = encodings[data[0] >> 2 & 3];
        p->all = slice_of((const char *)data + 3 + pieces, size - 3 - pieces);
        p->shape = shape_new(&c);
        shape_set_file(p->shape, "/var/log/a.log");
        memset(p->next, 0, sizeof(p->next));
        for (size_t k = 0; k < TAIL_STREAMS; k++)
            buf_init(&p->got[k], 64 * MIB);
        play(p, i == 0 ? SLICE("") : slice_of((const char *)data + 3, pieces));
    }
    for (size_t k = 0; k < TAIL_STREAMS; k++) {
        check(slice_eq(buf_slice(&whole.got[k]), buf_slice(&cut.got[k])));
        buf_release(&whole.got[k]);
        buf_release(&cut.got[k]);
    }
    shape_free(&whole.shape);
    shape_free(&cut.shape);
    multiline_free(&c.multiline);
    return 0;
}
