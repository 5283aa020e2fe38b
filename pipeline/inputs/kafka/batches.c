#include "pipeline/inputs/kafka/batches.h"

#include "pipeline/base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- the list -------------------------------------------------------------------------------------------------------------- */

static void clear(struct kafka_batch *x)
{
    mem_free(x->note);
    x->note = NULL;
    x->note_bytes = 0;
}

static void take_out(struct kafka_batches *b, size_t i)
{
    clear(&b->v[i]);
    memmove(&b->v[i], &b->v[i + 1], (b->n - i - 1) * sizeof(b->v[0]));
    b->n--;
}

static struct kafka_batch *find(struct kafka_batches *b, uint64_t number)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].number == number && b->v[i].state != KAFKA_BATCH_OWED && b->v[i].state != KAFKA_BATCH_RETURNED)
            return &b->v[i];
    return NULL;
}

static void set_note(struct kafka_batch *x, const char *p, size_t n)
{
    clear(x);
    x->note = mem_alloc(n + 1);
    if (n > 0)
        memcpy(x->note, p, n);
    x->note_bytes = n;
}

void kafka_batches_release(struct kafka_batches *b)
{
    while (b->n > 0)
        take_out(b, b->n - 1);
}

void kafka_batches_begin(struct kafka_batches *b, const struct kafka_position *base)
{
    uint64_t version = b->version;

    kafka_batches_release(b);
    *b = (struct kafka_batches){.base = *base, .version = version + 1};
}

/* --- in bytes ---------------------------------------------------------------------------------------------------------------- */

static bool is_plain(char c)
{
    return c > ' ' && c < 0x7f && c != '%';
}

struct text {
    char *p;
    size_t n, room;
    bool full;
};

static void put_char(struct text *t, char c)
{
    if (t->n < t->room)
        t->p[t->n++] = c;
    else
        t->full = true;
}

static void put_text(struct text *t, const char *s)
{
    while (*s)
        put_char(t, *s++);
}

static void put_note(struct text *t, const struct kafka_batch *x)
{
    static const char HEX[] = "0123456789abcdef";

    for (size_t i = 0; i < x->note_bytes; i++) {
        char c = x->note[i];

        if (is_plain(c)) {
            put_char(t, c);
            continue;
        }
        put_char(t, '%');
        put_char(t, HEX[(unsigned char)c >> 4]);
        put_char(t, HEX[(unsigned char)c & 15]);
    }
}

/* False: there is no room for it, and nothing is put. */
static bool put_seal(struct text *t, const struct kafka_batch *x)
{
    const struct kafka_mark *m = &x->end.last;
    struct text before = *t;
    char line[256];

    snprintf(line, sizeof(line),
             "\nseal from=%" PRId64 " next=%" PRId64 " last=%" PRId64 " time=%" PRId64 " bytes=%" PRIu32
             " crc=%08" PRIx32 " records=%" PRIu64 " oldest=%" PRId64 " note=",
             x->from, x->end.next, m->offset, m->time, m->bytes, m->crc, x->records, (int64_t)x->oldest);
    put_text(t, line);
    put_note(t, x);
    if (!t->full)
        return true;
    *t = before;
    return false;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_note(struct slice text, struct kafka_batch *x)
{
    char *note = mem_alloc(text.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        int high, low;

        if (text.p[i] != '%') {
            note[n++] = text.p[i];
            continue;
        }
        high = i + 2 < text.n ? digit(text.p[i + 1]) : -1;
        low = i + 2 < text.n ? digit(text.p[i + 2]) : -1;
        if (high < 0 || low < 0) {
            mem_free(note);
            return false;
        }
        note[n++] = (char)(high << 4 | low);
        i += 2;
    }
    set_note(x, note, n);
    mem_free(note);
    return n > 0 && n <= SEAL_META_MAX;
}

static bool read_seal(struct slice line, struct kafka_batch *x)
{
    char text[256];
    struct kafka_mark *m = &x->end.last;
    int64_t oldest = 0;
    int end = 0;
    size_t n = line.n < sizeof(text) - 1 ? line.n : sizeof(text) - 1;

    *x = (struct kafka_batch){.state = KAFKA_BATCH_OWED};
    memcpy(text, line.p, n);
    text[n] = '\0';
    if (sscanf(text,
               "seal from=%" SCNd64 " next=%" SCNd64 " last=%" SCNd64 " time=%" SCNd64 " bytes=%" SCNu32 " crc=%" SCNx32
               " records=%" SCNu64 " oldest=%" SCNd64 " note=%n",
               &x->from, &x->end.next, &m->offset, &m->time, &m->bytes, &m->crc, &x->records, &oldest, &end) != 8 ||
        end == 0)
        return false;
    x->oldest = oldest;
    return x->from >= 0 && x->end.next > x->from && m->offset < x->end.next && m->offset >= x->from && x->records > 0 &&
           read_note(slice_from(line, (size_t)end), x);
}

static bool take_line(struct slice *rest, struct slice *line)
{
    const char *nl;

    if (rest->n == 0)
        return false;
    nl = memchr(rest->p, '\n', rest->n);
    *line = nl ? slice_of(rest->p, (size_t)(nl - rest->p)) : *rest;
    *rest = nl ? slice_from(*rest, line->n + 1) : slice_of(NULL, 0);
    return true;
}

bool kafka_batches_restore(struct kafka_batches *b, int64_t offset, struct slice metadata)
{
    const struct kafka_position bare = {.next = offset, .last = {.offset = -1}};
    struct slice rest = metadata, line;
    int64_t from = offset;
    bool fine;

    kafka_batches_begin(b, &bare);
    fine = take_line(&rest, &line) && kafka_cursor_parse(line, &b->base) && b->base.next == offset;
    while (fine && take_line(&rest, &line)) {
        struct kafka_batch x = {.number = 0};

        fine = b->n < ARRAY_LEN(b->v) && read_seal(line, &x) && x.from >= from;
        if (fine) {
            from = x.end.next;
            b->v[b->n++] = x;
        } else {
            clear(&x);
        }
    }
    if (!fine)
        kafka_batches_begin(b, &bare);
    else
        b->committed = b->version;
    return fine;
}

/* --- with the group ------------------------------------------------------------------------------------------------------------ */

bool kafka_batches_due(const struct kafka_batches *b)
{
    return b->offered == 0 && b->version != b->committed;
}

/* One that is SETTLED keeps it until all before it are: its records must not come again. One of which nothing was left has none. */
static bool has_seal(const struct kafka_batch *x)
{
    return x->state != KAFKA_BATCH_READ && x->state != KAFKA_BATCH_RETURNED && x->note_bytes > 0;
}

struct slice kafka_batches_offer(struct kafka_batches *b, char out[KAFKA_METADATA_MAX])
{
    char cursor[KAFKA_CURSOR_MAX];
    struct slice first = kafka_cursor(&b->base, cursor);
    /* Whatever the cursor will be, what fits once fits again. */
    struct text t = {.p = out, .n = first.n, .room = KAFKA_METADATA_MAX - KAFKA_CURSOR_MAX + first.n};
    bool room = true;

    memcpy(out, first.p, first.n);
    for (size_t i = 0; i < b->n; i++) {
        struct kafka_batch *x = &b->v[i];

        x->offered = false;
        if (!has_seal(x))
            continue;
        room = (room || x->state != KAFKA_BATCH_ASKED) && put_seal(&t, x); /* in their order */
        x->offered = room;
    }
    b->offered = b->version;
    return slice_of(out, t.n);
}

void kafka_batches_answered(struct kafka_batches *b, bool accepted, void (*sealed)(void *ctx, uint64_t number),
                            void *ctx)
{
    uint64_t offered = b->offered;

    b->offered = 0;
    if (!accepted || offered == 0)
        return;
    b->committed = offered;
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].state == KAFKA_BATCH_ASKED && b->v[i].offered) {
            b->v[i].state = KAFKA_BATCH_SEALED;
            sealed(ctx, b->v[i].number);
        }
}

/* --- reading ------------------------------------------------------------------------------------------------------------------- */

const struct kafka_batch *kafka_batches_next(const struct kafka_batches *b, int64_t next, int64_t *end)
{
    *end = INT64_MAX;
    for (size_t i = 0; i < b->n; i++) {
        const struct kafka_batch *x = &b->v[i];

        if (x->state != KAFKA_BATCH_OWED)
            continue;
        *end = x->from > next ? x->from : x->end.next;
        return x->from > next ? NULL : x;
    }
    return NULL;
}

bool kafka_batches_is_full(const struct kafka_batches *b, bool between)
{
    return b->n >= (between ? ARRAY_LEN(b->v) : KAFKA_BATCHES_MAX);
}

bool kafka_batch_is_as_it_was(const struct kafka_batch *owed, const struct kafka_position *end, uint64_t records)
{
    return owed->records == records && memcmp(&owed->end.last, &end->last, sizeof(end->last)) == 0;
}

void kafka_batches_add(struct kafka_batches *b, int64_t from, const struct kafka_position *end, uint64_t records,
                       uint64_t number)
{
    size_t i = b->n;

    assert(b->n < ARRAY_LEN(b->v));
    while (i > 0 && b->v[i - 1].from >= end->next)
        i--;
    memmove(&b->v[i + 1], &b->v[i], (b->n - i) * sizeof(b->v[0]));
    b->v[i] = (struct kafka_batch){
        .state = KAFKA_BATCH_READ, .number = number, .from = from, .end = *end, .records = records};
    b->n++;
}

/* Those in front that are delivered. */
static void move_base(struct kafka_batches *b)
{
    while (b->n > 0 && b->v[0].state == KAFKA_BATCH_SETTLED) {
        b->base = b->v[0].end;
        take_out(b, 0);
    }
    b->version++;
}

/* It was not read to its end, perhaps, as the spool does not hold it: what is behind `end` is another batch then. */
void kafka_batches_add_owed(struct kafka_batches *b, const struct kafka_batch *owed, bool as_it_was,
                            const struct kafka_position *end, uint64_t records, uint64_t number)
{
    size_t i = (size_t)(owed - b->v);
    struct kafka_batch *x = &b->v[i];

    assert(i < b->n && x->state == KAFKA_BATCH_OWED);
    x->number = number;
    if (as_it_was) {
        x->state = KAFKA_BATCH_SEALED;
        return;
    }
    clear(x);
    if (end->next > x->from && end->next < x->end.next)
        x->end = *end;
    x->records = records;
    x->state = records > 0 ? KAFKA_BATCH_READ : KAFKA_BATCH_SETTLED; /* nothing is left of it */
    move_base(b);
}

void kafka_batches_seen(struct kafka_batches *b, const struct kafka_position *seen)
{
    if (b->n > 0 || seen->next <= b->base.next)
        return;
    b->base = *seen;
    b->version++;
}

/* --- what becomes of them ------------------------------------------------------------------------------------------------------- */

bool kafka_batches_ask(struct kafka_batches *b, uint64_t number, nsec oldest, struct slice note)
{
    struct kafka_batch *x = find(b, number);

    if (!x)
        return false;
    assert(x->state == KAFKA_BATCH_READ);
    x->state = KAFKA_BATCH_ASKED;
    x->offered = false;
    x->oldest = oldest;
    set_note(x, note.p, note.n);
    b->version++;
    return true;
}

bool kafka_batches_settle(struct kafka_batches *b, uint64_t number)
{
    struct kafka_batch *x = find(b, number);

    if (!x)
        return false;
    x->state = KAFKA_BATCH_SETTLED;
    move_base(b);
    return true;
}

void kafka_batches_return(struct kafka_batches *b, void (*each)(void *ctx, uint64_t number), void *ctx)
{
    for (size_t i = 0; i < b->n; i++) {
        struct kafka_batch *x = &b->v[i];

        if (x->state != KAFKA_BATCH_READ && x->state != KAFKA_BATCH_ASKED)
            continue;
        x->state = KAFKA_BATCH_RETURNED;
        each(ctx, x->number);
    }
}

void kafka_batches_drop(struct kafka_batches *b, void (*each)(void *ctx, uint64_t number), void *ctx)
{
    kafka_batches_return(b, each, ctx);
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].state == KAFKA_BATCH_SEALED)
            each(ctx, b->v[i].number);
    kafka_batches_begin(b, &KAFKA_NOWHERE);
    b->committed = b->version;
}

bool kafka_batches_holds(const struct kafka_batches *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].state != KAFKA_BATCH_OWED)
            return true;
    return false;
}

bool kafka_batches_under_way(const struct kafka_batches *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].state == KAFKA_BATCH_SEALED)
            return true;
    return false;
}
