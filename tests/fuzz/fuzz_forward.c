/* fuzz_forward.c -- what anybody may send to the input forward: no crash, what is read is within the bytes, and what comes out is JSON. And a value
 * ends at the same place whatever comes at a time. */
#include "pipeline/inputs/forward/handshake.h"
#include "pipeline/inputs/forward/message.h"
#include "pipeline/inputs/forward/piece.h"
#include "pipeline/inputs/forward/tags.h"
#include "pipeline/inputs/forward/record.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/json.h"
#include "pipeline/base/msgpack.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool is_within(struct slice part, struct slice all)
{
    return part.n == 0 || (part.p >= all.p && part.p + part.n <= all.p + all.n);
}

static void scan_in_steps(struct slice all)
{
    struct msgpack_scan whole = {.at = 0}, steps = {.at = 0};
    enum msgpack_found want = msgpack_scan(&whole, all), got = MSGPACK_PART;

    for (size_t n = 0; n <= all.n && got == MSGPACK_PART; n += 1 + n / 8)
        got = msgpack_scan(&steps, slice_of(all.p, n));
    if (got == MSGPACK_PART)
        got = msgpack_scan(&steps, all);
    check(got == want);
    check(want != MSGPACK_WHOLE || (whole.at == steps.at && whole.at > 0 && whole.at <= all.n));
    check(want != MSGPACK_PART || whole.at == steps.at);
}

static void read_events(const struct forward_message *m, struct buf *out, struct buf *facts)
{
    static const struct forward_shape SHAPE = {{"time", 4}, {"tag", 3}};
    struct slice rest = m->entries, name, value, left;
    struct forward_event ev;

    while (rest.n > 0) {
        size_t before = rest.n;
        enum forward_entry entry = forward_next(&rest, m->mode, &ev);

        if (entry == FORWARD_MALFORMED)
            return;
        check(rest.n < before && is_within(ev.record, m->entries) && is_within(ev.metadata, m->entries));
        buf_clear(out);
        buf_clear(facts);
        if (forward_record(&ev, m->tag, 5, &SHAPE, out) == 0)
            check(json_valid(buf_slice(out), MSGPACK_DEPTH_MAX));
        else
            check(out->n == 0);
        forward_facts(&ev, m->tag, 5, facts);
        for (left = buf_slice(facts); facts_next(&left, &name, &value);)
            check(name.n > 0 && value.n > 0);
        check(left.n == 0);
    }
}

/* As the input does: packed or not. Filled again it is the same. */
static void read_pieces(const struct forward_message *m)
{
    static const struct forward_shape SHAPE = {{"time", 4}, {"tag", 3}};
    struct forward_reader r = {.used = 0};
    struct forward_piece p, again;
    const char *why = NULL;

    forward_piece_init(&p);
    forward_piece_init(&again);
    while (r.number < 20 && forward_fill(&r, m, &SHAPE, 5, &p, &why) && p.count > 0) {
        check(forward_fill(&r, m, &SHAPE, 5, &again, &why) && again.count == p.count);
        check(slice_eq(buf_slice(&p.data), buf_slice(&again.data)) && p.used == again.used);
        check(p.count == 1 || p.data.n + p.facts.n <= FORWARD_PIECE_BYTES);
        forward_passed(&r, &p);
    }
    forward_piece_release(&p);
    forward_piece_release(&again);
    forward_reader_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct forward_nonce NONCE = {"nonce-nonce-nonc", "salty-salty-salt"};
    static const struct cfg_strings NONE = {.n = 0};
    const struct forward_secrets secrets = {.key = "key", .users = &NONE};
    struct slice all = slice_of((const char *)data, size), rest = all, whole;
    struct forward_message m;
    struct buf out, facts, pong;
    const char *why;

    scan_in_steps(all);
    buf_init(&out, 8 * size + 256);
    buf_init(&facts, FORWARD_FACTS_MAX);
    while (msgpack_take(&rest, &whole)) {
        buf_init(&pong, 1024);
        check(forward_ping(whole, &NONCE, &secrets, &pong) != NULL);
        buf_release(&pong);
        if (!forward_read(whole, &m, &why)) {
            check(why != NULL);
            continue;
        }
        check(is_within(m.tag, whole) && is_within(m.entries, whole) && is_within(m.chunk, whole));
        read_pieces(&m);
        (void)forward_tag_is(m.tag, "a*.**.b*");
        if (!m.packed)
            read_events(&m, &out, &facts);
    }
    buf_release(&out);
    buf_release(&facts);
    return 0;
}
