/* fuzz_syslog.c -- bytes of a sender: the same messages come out of any pieces, each is JSON whatever it says, and RELP's frames stay within what
 * came.
 */
#include "pipeline/base/json.h"
#include "pipeline/inputs/syslog/frame.h"
#include "pipeline/inputs/syslog/message.h"
#include "pipeline/inputs/syslog/relp.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 300 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void write_message(struct slice raw, bool local)
{
    const struct syslog_reading r = {.now = (nsec)1795817655 * NSEC_PER_SEC, .local = local};
    struct syslog_message m;
    struct buf out;

    buf_init(&out, 16 * MIB);
    syslog_message_parse(&m, raw, &r);
    check(m.raw.n <= raw.n && m.text.n <= m.raw.n && m.priority <= 191);
    check(syslog_message_write(&m, &r, SLICE("here"), local, &out) == 0);
    check(json_valid(buf_slice(&out), 8));
    buf_release(&out);
}

static void within(struct slice part, struct slice all)
{
    check(part.n == 0 || (part.p >= all.p && part.p + part.n <= all.p + all.n));
}

/* All messages of it, when so much more comes each time. */
static void frames(struct slice all, size_t piece, struct buf *out)
{
    bool counted = false, line = false, ended;
    size_t at = 0, have = 0, left = 0;

    while (at < all.n) {
        struct slice in;
        size_t n;

        have = have + piece < all.n - at ? have + piece : all.n - at;
        in = slice_of(all.p + at, have);
        if (line || left > 0) {
            n = line ? syslog_frame_rest(in, &ended) : left < in.n ? left : in.n;
            left -= line ? 0 : n;
            line = line && !ended;
        } else {
            bool last = in.n == all.n - at;
            struct syslog_frame f = syslog_frame(in, last, counted, MOST);

            within(f.message, in);
            check(f.used <= in.n && f.message.n <= MOST && (f.kind != SYSLOG_FRAME_NONE || !last || f.used == 0));
            if (f.kind == SYSLOG_FRAME_WRONG || (f.kind == SYSLOG_FRAME_NONE && last))
                return;
            if (f.kind != SYSLOG_FRAME_NONE)
                check(buf_add_slice(out, f.message) == 0 && buf_add_char(out, '|') == 0);
            counted |= f.counted;
            left = f.left;
            line = f.kind == SYSLOG_FRAME_CUT && !f.counted;
            n = f.used;
        }
        at += n;
        have -= n;
    }
}

static void relp(struct slice all)
{
    struct relp_frame f;

    for (struct slice rest = all; rest.n > 0; rest = slice_from(rest, f.used)) {
        f = relp_frame(rest, MOST);
        if (f.kind == RELP_NONE || f.kind == RELP_WRONG)
            return;
        within(f.data, rest);
        check(f.used > 0 && f.used <= rest.n && f.data.n <= MOST);
        check(relp_is_ours(f.data) || f.data.n > 0); /* who offers nothing may go on */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_of((const char *)data, size);
    struct buf whole, pieces;

    if (size == 0)
        return 0;
    buf_init(&whole, 16 * MIB);
    buf_init(&pieces, 16 * MIB);
    write_message(all, false);
    write_message(all, true);
    frames(all, size, &whole);
    frames(all, 1 + data[0] % 5, &pieces);
    check(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    relp(all);
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
