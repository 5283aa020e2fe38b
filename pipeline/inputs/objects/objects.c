#include "pipeline/inputs/objects/objects.h"

#include "pipeline/base/backoff.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int objects_open(struct objects *o, const struct objects_conf *conf, struct err *e)
{
    const struct connection_conf trouble = {.stream = conf->stream,
                                            .input = conf->input,
                                            .source = conf->source,
                                            .health = conf->health,
                                            .failed_text = "an object cannot be read, and is tried again",
                                            .works_text = "objects can be read again"};

    *o = (struct objects){.conf = *conf};
    if (object_store_open(&o->store, &conf->store, e) < 0)
        return -1;
    if (o->store.found_by)
        log_info("objects are read where AWS's own tools would", KS("stream", conf->stream), KS("input", conf->input),
                 KS("endpoint", o->store.endpoint), KS("from", o->store.found_by));
    o->readers = mem_array(conf->readers, sizeof(*o->readers));
    for (unsigned i = 0; i < conf->readers; i++) {
        struct object_reader *r = &o->readers[i];

        object_list_init(&r->list);
        object_text_init(&r->text, conf->windows);
        object_get_init(&r->get, &o->store);
        buf_init(&r->facts, RECORD_FACTS_MAX);
    }
    connection_init(&o->trouble, &trouble);
    object_places_init(&o->places, conf->window, conf->place_source);
    object_places_restore(&o->places, conf->spool);
    return 0;
}

void objects_close(struct objects *o)
{
    if (!o->readers)
        return;
    for (unsigned i = 0; i < o->conf.readers; i++) {
        struct object_reader *r = &o->readers[i];

        object_list_release(&r->list);
        object_text_release(&r->text);
        object_get_release(&r->get);
        buf_release(&r->facts);
    }
    connection_release(&o->trouble);
    MEM_CLEAR(o->readers);
    object_store_close(&o->store);
}

void objects_begin(struct objects *o, struct input_thread *thread)
{
    o->store.thread = thread;
}

/* --- messages ------------------------------------------------------------------------------------------------------ */

enum objects_answer objects_take(struct objects *o, void *message, struct slice id, struct slice text)
{
    struct object_reader *r = NULL;
    struct err e;

    for (unsigned i = 0; i < o->conf.readers && !r; i++)
        if (o->readers[i].step == READER_IDLE)
            r = &o->readers[i];
    if (!r)
        return OBJECTS_FULL;
    if (!object_list_read(&r->list, text))
        return OBJECTS_NO_EVENT;
    for (size_t i = 0; i < r->list.n; i++)
        if (!object_address_is_fine(&o->store, &r->list.at[i], &e))
            return OBJECTS_NO_EVENT;
    if (r->list.n == 0)
        return OBJECTS_NOTHING;
    r->step = READER_NEXT;
    r->message = message;
    snprintf(r->message_id, sizeof(r->message_id), "%.*s", (int)(id.n < 128 ? id.n : 128), id.n > 0 ? id.p : "");
    r->nth = 0;
    r->again = 0;
    return OBJECTS_TAKEN;
}

/* What is kept for the next one is small. */
static void reader_rests(struct object_reader *r)
{
    object_text_begin(&r->text, 0, false);
    object_text_release(&r->text);
    buf_release(&r->get.piece);
    object_list_release(&r->list);
    r->step = READER_IDLE;
    r->message = NULL;
    r->works_on = false;
}

static void end(struct object_reader *r, enum objects_fate fate)
{
    r->step = READER_ENDED;
    r->fate = fate;
}

bool objects_ended(struct objects *o, void **message, enum objects_fate *fate)
{
    for (unsigned i = 0; i < o->conf.readers; i++) {
        struct object_reader *r = &o->readers[i];

        if (r->step != READER_ENDED)
            continue;
        *message = r->message;
        *fate = r->fate;
        reader_rests(r);
        return true;
    }
    return false;
}

static const struct object *object_of(const struct object_reader *r)
{
    return &r->list.at[r->nth];
}

static void next_object(struct object_reader *r)
{
    r->nth++;
    r->step = READER_NEXT;
}

/* --- which object -------------------------------------------------------------------------------------------------- */

/* The same for the same version of the same object, whichever message names it, and for no other. Where the store does not tell versions
 * apart, each message means one of its own: the same bytes may have been written once more. */
static void identify(struct object_reader *r)
{
    const struct object *x = object_of(r);
    bool told_apart = x->version.n > 0 || x->sequencer.n > 0;
    const struct slice parts[] = {x->bucket, x->key,       x->version,
                                  x->tag,    x->sequencer, told_apart ? SLICE("") : slice_str(r->message_id)};
    unsigned char sum[SHA256_BYTES];
    struct sha256 *s = sha256_new();
    char length[32];

    sha256_begin(s);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        snprintf(length, sizeof(length), "%zu ", parts[i].n);
        sha256_add(s, slice_str(length));
        sha256_add(s, parts[i]);
    }
    sha256_end(s, sum);
    sha256_free(&s);
    hex_encode(sum, OBJECT_IDENTITY_CHARS / 2, r->identity);
}

static bool somebody_reads_it(const struct objects *o, const struct object_reader *but)
{
    for (unsigned i = 0; i < o->conf.readers; i++) {
        const struct object_reader *r = &o->readers[i];

        if (r != but && r->place && strcmp(r->identity, but->identity) == 0)
            return true;
    }
    return false;
}

static void begin_facts(struct object_reader *r)
{
    const struct object *x = object_of(r);

    buf_clear(&r->facts);
    if (facts_add(&r->facts, SLICE("bucket"), x->bucket) < 0 || facts_add(&r->facts, SLICE("key"), x->key) < 0 ||
        (x->version.n > 0 && facts_add(&r->facts, SLICE("version"), x->version) < 0))
        buf_clear(&r->facts); /* a version that nobody would make so long */
    r->facts_same = r->facts.n;
}

static void begin_object(struct objects *o, struct object_reader *r)
{
    r->place = object_places_find(&o->places, r->identity);
    if (!r->place)
        r->place = object_places_begin(&o->places, r->identity);
    object_text_begin(&r->text, r->place->offset, r->place->packed);
    r->from = r->place->packed ? 0 : r->place->offset;
    r->ended = false;
    r->tries = r->away = 0;
    begin_facts(r);
    r->step = READER_ASK;
}

/* False: not now. */
static bool choose_object(struct objects *o, struct object_reader *r)
{
    enum spool_id seen;

    if (r->nth == r->list.n) {
        end(r, OBJECTS_READ);
        return false;
    }
    identify(r);
    if (somebody_reads_it(o, r))
        return false;
    seen = o->conf.id_source.n > 0 ? window_id_seen(o->conf.window, slice_str(r->identity)) : SPOOL_ID_NEW;
    if (seen == SPOOL_ID_PENDING)
        return false; /* it is in the open frame, or on its way: will it be safe? */
    if (seen == SPOOL_ID_SAFE) {
        input_health_add(o->conf.health, INPUT_DUPLICATES, 1);
        next_object(r);
    } else {
        begin_object(o, r);
    }
    return true;
}

/* --- pieces -------------------------------------------------------------------------------------------------------- */

/* For people: "bucket/key". */
static const char *name_of(const struct object_reader *r, char *out, size_t size)
{
    const struct object *x = object_of(r);
    int bucket = (int)(x->bucket.n < 255 ? x->bucket.n : 255), key = (int)(x->key.n < 1024 ? x->key.n : 1024);

    snprintf(out, size, "%.*s/%.*s", bucket, x->bucket.p, key, x->key.p);
    return out;
}

static void tell(struct objects *o, const struct object_reader *r, struct log_limit *limit, const char *what,
                 const char *cause, const char *hint, nsec now)
{
    char name[1300];

    input_health_error(o->conf.health, what, hint, now);
    if (log_due(limit, now, OBJECTS_SAYS_EVERY))
        log_warn(what, KS("stream", o->conf.stream), KS("input", o->conf.input), KS("source", o->conf.source),
                 KS("object", name_of(r, name, sizeof(name))), KU("read", r->text.at), KS("cause", cause),
                 KU("others_like_it", limit->suppressed), KS("hint", hint));
}

/* Nothing more of it can be had. What was read of it stays. */
static void give_up_object(struct objects *o, struct object_reader *r)
{
    object_place_leave(&o->places, &r->place, false);
    next_object(r);
}

static void refuse_message(struct objects *o, struct object_reader *r)
{
    object_place_leave(&o->places, &r->place, false);
    end(r, OBJECTS_REFUSED);
}

static void gone(struct objects *o, struct object_reader *r, nsec now)
{
    if (++r->tries < OBJECTS_GONE_TRIES) { /* it may not be seen everywhere yet */
        r->again = now + r->tries * OBJECTS_GONE_PAUSE;
        r->step = READER_ASK;
        return;
    }
    tell(o, r, &o->gone,
         r->text.at > 0 ? "an object is gone before it was read to its end: what it still had is lost"
                        : "an object is gone before it was read: its message is deleted",
         r->get.said.code, "what deletes objects (a lifecycle rule, a job) must leave them for longer", now);
    give_up_object(o, r);
}

static void changed(struct objects *o, struct object_reader *r, nsec now)
{
    tell(o, r, &o->changed, "an object was overwritten while it was read: what it still had is lost", r->get.said.code,
         "give objects names of their own, or switch on the bucket's versioning: then each version is read", now);
    give_up_object(o, r);
}

static void tell_said(struct objects *o, const struct object_reader *r, struct log_limit *limit, const char *what,
                      nsec now)
{
    const struct object_said *said = &r->get.said;
    char cause[sizeof(said->code) + OBJECT_SAID_MAX + 2];

    snprintf(cause, sizeof(cause), "%s%s%s", said->code, said->code[0] && said->text[0] ? ": " : "", said->text);
    tell(o, r, limit, what, cause, said->hint, now);
}

/* By what is this one's: the others go on. */
static void refused(struct objects *o, struct object_reader *r, nsec now)
{
    tell_said(o, r, &o->refused, "an object is refused: its message stays in the queue", now);
    refuse_message(o, r);
}

static void failed(struct objects *o, struct object_reader *r, const struct object_said *said, nsec now)
{
    char name[1300], text[1300 + OBJECT_SAID_MAX];
    const struct connection_trouble trouble = {
        .doing = "GetObject", .cause = said->code[0] ? said->code : said->text, .said = text, .hint = said->hint};

    snprintf(text, sizeof(text), "%s%s%s", name_of(r, name, sizeof(name)), said->code[0] && said->text[0] ? ": " : "",
             said->code[0] ? said->text : "");
    connection_failed(&o->trouble, &trouble, now);
    if (said->keys_expired && o->trouble.failures == 1 &&
        credentials_refused(o->store.credentials, r->get.began, clock_wall()))
        o->trouble.again = now + AWS_CALL_AGAIN;
}

/* A store that has lost a part of an object says 500 of that one for ever. So where others could be had since it failed last, nobody waits with
 * it, and it is asked for more and more rarely. */
static void away(struct objects *o, struct object_reader *r, nsec now)
{
    bool alone = r->away > 0 && o->answers > r->answers && !r->get.said.keys_expired;

    r->away++;
    r->answers = o->answers;
    r->step = READER_ASK;
    if (!alone) {
        failed(o, r, &r->get.said, now);
        return;
    }
    tell_said(o, r, &o->alone, "an object cannot be read, though others can, and is tried again", now);
    r->again = now + backoff_wait(r->away, random_bits());
}

static void ask(struct objects *o, struct object_reader *r, nsec now)
{
    struct err e;

    if (now < r->again || !connection_is_due(&o->trouble, now))
        return;
    if (object_get_begin(&r->get, object_of(r), r->from, r->place->tag, &e)) {
        r->step = READER_ASKED;
        return;
    }
    r->again = now + AWS_CALL_AGAIN;
    if (e.msg[0]) {
        struct object_said said = {.hint = "see docs/credentials.md, and the option `tls`"};

        snprintf(said.text, sizeof(said.text), "%s", e.msg);
        failed(o, r, &said, now);
    }
}

static void take_piece(struct object_reader *r)
{
    const struct object_said *said = &r->get.said;

    if (!r->place->tag[0])
        snprintf(r->place->tag, sizeof(r->place->tag), "%s", said->tag);
    object_text_feed(&r->text, buf_slice(&r->get.piece));
    if (r->from == 0)
        r->place->packed = object_text_is_packed(&r->text);
    r->from += r->get.piece.n;
    r->ended = said->answer == OBJECT_END || r->from >= said->total;
    r->step = READER_LINES;
}

static void take_answer(struct objects *o, struct object_reader *r, nsec now)
{
    if (!object_get_ended(&r->get))
        return;
    if (!r->message) { /* it was dropped */
        reader_rests(r);
        return;
    }
    if (!r->get.answered) {
        r->step = READER_ASK;
        return;
    }
    if (r->get.said.answer != OBJECT_AWAY) {
        connection_works(&o->trouble, now);
        o->answers++;
        r->away = 0;
    }
    switch (r->get.said.answer) {
    case OBJECT_PIECE:
    case OBJECT_END:
        take_piece(r);
        break;
    case OBJECT_GONE:
        gone(o, r, now);
        break;
    case OBJECT_CHANGED:
        changed(o, r, now);
        break;
    case OBJECT_REFUSED:
        refused(o, r, now);
        break;
    case OBJECT_AWAY:
        away(o, r, now);
        break;
    }
}

/* --- lines --------------------------------------------------------------------------------------------------------- */

/* False: the window takes nothing now. */
static bool put(struct objects *o, struct object_reader *r, struct slice line, bool last, nsec now)
{
    struct frame_message m = {.data = line};
    char offset[24];

    if (!object_places_have_room(&o->places, r->place))
        window_cut(o->conf.window);
    snprintf(offset, sizeof(offset), "%llu", (unsigned long long)r->text.at);
    r->facts.n = r->facts_same;
    if (facts_add(&r->facts, SLICE("offset"), slice_str(offset)) < 0)
        r->facts.n = r->facts_same;
    m.facts = buf_slice(&r->facts);
    if (last && o->conf.id_source.n > 0)
        m.id = slice_str(r->identity);
    switch (window_put(o->conf.window, &m, *o->conf.numbers + 1, clock_wall(), now)) {
    case WINDOW_TAKEN:
        break;
    case WINDOW_TOO_LARGE:
        tell(o, r, &o->odd, "a line is larger than the stream's spool may be: its message stays in the queue",
             "WINDOW_TOO_LARGE", "raise spool.limit", now);
        refuse_message(o, r);
        return false;
    case WINDOW_FULL:
    case WINDOW_BROKEN:
        return false;
    }
    ++*o->conf.numbers; /* of each line: a message may end behind any, when its object is gone or was overwritten */
    object_text_took(&r->text);
    object_place_moves(&o->places, r->place, r->text.at);
    return true;
}

static void object_is_read(struct objects *o, struct object_reader *r)
{
    object_place_leave(&o->places, &r->place, true);
    next_object(r);
}

static void damaged(struct objects *o, struct object_reader *r, const struct err *e, nsec now)
{
    tell(o, r, &o->odd, "an object cannot be unpacked: its message stays in the queue", e->msg,
         e->code == ERR_LIMIT ? "compress it without `--long` or `--ultra`, or raise limits.memory: windows above 8 "
                                "MiB have a quarter of "
                                "it, all together"
                              : "let the queue have a dead-letter queue for such messages; what was read of it stays",
         now);
    refuse_message(o, r);
}

/* False: not now. */
static bool take_lines(struct objects *o, struct object_reader *r, nsec now)
{
    struct slice line;
    struct err e;

    r->works_on = false;
    if (now < r->again)
        return false;
    for (;;) {
        enum object_text_answer answer = object_text_line(&r->text, r->ended, &line, &e);

        switch (answer) {
        case OBJECT_TEXT_LINE:
        case OBJECT_TEXT_LAST_LINE:
            if (!put(o, r, line, answer == OBJECT_TEXT_LAST_LINE, now))
                return r->step != READER_LINES;
            if (answer == OBJECT_TEXT_LINE)
                break;
            object_is_read(o, r);
            return true;
        case OBJECT_TEXT_MORE:
            r->step = READER_ASK;
            return true;
        case OBJECT_TEXT_AGAIN:
            r->works_on = true;
            return false;
        case OBJECT_TEXT_LATER:
            r->again = now + OBJECTS_MEMORY_PAUSE;
            return false;
        case OBJECT_TEXT_END:
            object_is_read(o, r);
            return true;
        case OBJECT_TEXT_DAMAGED:
            damaged(o, r, &e, now);
            return true;
        }
    }
}

/* --- turns --------------------------------------------------------------------------------------------------------- */

static void reader_turn(struct objects *o, struct object_reader *r, nsec now)
{
    bool moves = true;

    while (moves) {
        enum object_reader_step before = r->step;

        switch (r->step) {
        case READER_NEXT:
            moves = choose_object(o, r);
            break;
        case READER_ASK:
            ask(o, r, now);
            moves = false;
            break;
        case READER_ASKED:
            take_answer(o, r, now);
            moves = r->step != before;
            break;
        case READER_LINES:
            moves = take_lines(o, r, now);
            break;
        case READER_IDLE:
        case READER_ENDED:
            moves = false;
            break;
        }
    }
}

void objects_turn(struct objects *o, nsec now)
{
    for (unsigned i = 0; i < o->conf.readers; i++)
        reader_turn(o, &o->readers[i], now);
}

void objects_closing(struct objects *o)
{
    object_places_write(&o->places);
}

bool objects_work_on(const struct objects *o)
{
    for (unsigned i = 0; i < o->conf.readers; i++)
        if (o->readers[i].works_on)
            return true;
    return false;
}

nsec objects_next(const struct objects *o, nsec now, nsec latest)
{
    for (unsigned i = 0; i < o->conf.readers; i++) {
        const struct object_reader *r = &o->readers[i];
        nsec due = r->again > o->trouble.again ? r->again : o->trouble.again;

        if (r->step == READER_LINES && r->again > now && r->again < latest)
            latest = r->again;
        if (r->step == READER_ASK && due < latest)
            latest = due > now ? due : now;
    }
    return latest;
}

void objects_drop(struct objects *o)
{
    for (unsigned i = 0; i < o->conf.readers; i++) {
        struct object_reader *r = &o->readers[i];

        object_place_leave(&o->places, &r->place, false);
        r->message = NULL;
        if (r->get.under_way)
            object_get_cancel(&r->get);
        else if (r->step != READER_IDLE)
            reader_rests(r);
    }
}

void objects_restore(struct objects *o)
{
    object_places_restore(&o->places, o->conf.spool);
}

bool objects_are_idle(const struct objects *o)
{
    for (unsigned i = 0; i < o->conf.readers; i++)
        if (o->readers[i].step != READER_IDLE)
            return false;
    return true;
}
