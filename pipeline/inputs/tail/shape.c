/* The bytes are walked line by line. Of each stream of a file (there are two in a container's) one record may be open: parts of a line, and
 * in front of them the lines of a group. What ends it hands it to the sink; what the sink does not take, and what is open at the end,
 * is read again: the place of a stream is where its open record begins, or behind the last line when none is.
 *
 * A group of lines that follow one another is a slice of the bytes, so most records are copied once, by the sink. Where something stands
 * between the lines (a runtime's head of each), or they were unescaped, they are put together in a buffer.
 *
 * Something is always taken when the bytes are as many as may be: a line without an end is cut, and a record that stays open while the
 * other stream goes on ends. */
#include "pipeline/inputs/tail/shape.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/utf8.h"
#include "pipeline/inputs/tail/utf16.h"

#include <assert.h>
#include <string.h>

/* One line on its way. */
struct line {
    size_t at;
    struct slice text;
    struct slice time; /* of a container; else empty */
    bool stays;        /* the text is there until the end of the run */
};

/* What is open of a stream. */
struct open {
    struct line group; /* text: of all its lines */
    bool has_group, copied;
    multiline_state state;
    struct buf joined;
    struct line part;
    bool has_part;
    struct buf parts;
    nsec seen; /* the time of its last line */
};

struct shape {
    struct shape_conf conf;
    struct open open[TAIL_STREAMS];
    struct buf decoded, unescaped;
    struct buf file_facts, facts;
    const struct shape_sink *sink;
    struct shape_out out;
};

struct shape *shape_new(const struct shape_conf *c)
{
    struct shape *s = mem_alloc(sizeof(*s));

    s->conf = *c;
    for (size_t i = 0; i < TAIL_STREAMS; i++) {
        buf_init(&s->open[i].joined, LINE_MAX_BYTES);
        buf_init(&s->open[i].parts, LINE_MAX_BYTES);
    }
    buf_init(&s->decoded, 2 * LINES_READ_MAX + UTF8_MAX);
    buf_init(&s->unescaped, LINES_READ_MAX);
    buf_init(&s->file_facts, RECORD_FACTS_MAX);
    buf_init(&s->facts, RECORD_FACTS_MAX);
    return s;
}

void shape_free(struct shape **s)
{
    if (!*s)
        return;
    for (size_t i = 0; i < TAIL_STREAMS; i++) {
        buf_release(&(*s)->open[i].joined);
        buf_release(&(*s)->open[i].parts);
    }
    buf_release(&(*s)->decoded);
    buf_release(&(*s)->unescaped);
    buf_release(&(*s)->file_facts);
    buf_release(&(*s)->facts);
    MEM_CLEAR(*s);
}

/* What is unknown or too long is left out. */
static void add_fact(struct buf *facts, const char *name, struct slice value)
{
    if (value.n > 0 && facts_add(facts, slice_str(name), value) < 0)
        return;
}

void shape_set_file(struct shape *s, const char *path)
{
    struct container_names n = container_names_of(path);

    buf_clear(&s->file_facts);
    if (s->conf.container != CONTAINER_NONE) {
        add_fact(&s->file_facts, "namespace", n.namespace);
        add_fact(&s->file_facts, "pod", n.pod);
        add_fact(&s->file_facts, "container", n.container);
        add_fact(&s->file_facts, "container_id", n.id);
    }
    if (s->conf.fields)
        fields_set_file(s->conf.fields, path);
}

/* --- a record ends ----------------------------------------------------------------------------------------------- */

/* The field `stream` is the fact `output`: in `meta` the first name is that of the delivery stream. */
static bool find_fact(const void *ctx, struct slice name, struct slice *value)
{
    const struct shape *s = ctx;

    return facts_find(buf_slice(&s->facts), slice_is(name, "stream") ? SLICE("output") : name, value);
}

static void note_facts(struct shape *s, const struct open *o, struct slice time)
{
    buf_clear(&s->facts);
    if (s->conf.container == CONTAINER_NONE)
        return;
    if (time.n > 0) {
        add_fact(&s->facts, "output", slice_str(o == &s->open[0] ? "stdout" : "stderr"));
        add_fact(&s->facts, "time", time);
    }
    if (s->file_facts.n <= s->facts.max - s->facts.n && buf_add_slice(&s->facts, buf_slice(&s->file_facts)) < 0)
        return;
}

/* The record as it is; false: there is no room. */
static bool write_plain(struct slice text, char *to, size_t room)
{
    if (text.n >= room)
        return false;
    if (text.n > 0)
        memcpy(to, text.p, text.n);
    return true;
}

/* Writes the record with its fields, or without when it would be too long with them; returns its length. False: there is no room. */
static bool write_record(struct shape *s, struct slice text, size_t *n, bool *bare)
{
    const struct fields_facts facts = {find_fact, s};
    struct buf made = {.n = 0};
    size_t room;

    made.p = s->sink->space(s->sink->ctx, &room);
    *bare = false;
    *n = text.n;
    if (room == 0)
        return false;
    if (!s->conf.fields)
        return write_plain(text, made.p, room);
    made.cap = made.max = room - 1 < LINE_MAX_BYTES ? room - 1 : LINE_MAX_BYTES;
    if (fields_add(s->conf.fields, text, &facts, &made) == 0) {
        *n = made.n;
        return true;
    }
    *bare = made.max == LINE_MAX_BYTES;
    return *bare && write_plain(text, made.p, room);
}

static bool give(struct shape *s, const struct open *o, struct slice text, struct slice time)
{
    bool bare;
    size_t n;

    note_facts(s, o, time);
    if (!write_record(s, text, &n, &bare) || !s->sink->wrote(s->sink->ctx, n, buf_slice(&s->facts))) {
        s->out.full = true;
        return false;
    }
    s->out.records++;
    s->out.bare += bare;
    return true;
}

static bool end_group(struct shape *s, struct open *o)
{
    if (o->has_group && !give(s, o, o->group.text, o->group.time))
        return false;
    o->has_group = false;
    return true;
}

/* --- lines of a group -------------------------------------------------------------------------------------------- */

static void copy_group(struct open *o, struct slice text)
{
    int rc;

    buf_clear(&o->joined);
    rc = buf_add_slice(&o->joined, text);
    assert(rc == 0); /* no longer than a record */
    o->group.text = buf_slice(&o->joined);
    o->copied = true;
}

static void begin_group(struct open *o, const struct line *l)
{
    o->group = *l;
    o->has_group = true;
    o->copied = false;
    if (!l->stays)
        copy_group(o, l->text);
}

static void join(struct open *o, const struct line *l)
{
    struct slice *text = &o->group.text;
    int rc;

    if (!o->copied && l->stays && l->text.p == text->p + text->n + 1) {
        text->n += 1 + l->text.n;
        return;
    }
    if (!o->copied)
        copy_group(o, *text);
    rc = buf_add_char(&o->joined, '\n') + buf_add_slice(&o->joined, l->text);
    assert(rc == 0); /* the caller has measured it */
    *text = buf_slice(&o->joined);
}

static bool end_line(struct shape *s, struct open *o, const struct line *l)
{
    bool joins;

    if (!s->conf.multiline)
        return give(s, o, l->text, l->time);
    joins = multiline_joins(s->conf.multiline, &o->state, l->text) && o->has_group;
    if (joins && o->group.text.n + 1 + l->text.n <= LINE_MAX_BYTES) {
        join(o, l);
        return true;
    }
    if (!end_group(s, o))
        return false;
    s->out.cut += joins;
    begin_group(o, l);
    return true;
}

/* --- parts of a line --------------------------------------------------------------------------------------------- */

static bool end_part(struct shape *s, struct open *o)
{
    struct line l = o->part;

    if (!o->has_part)
        return true;
    l.text = buf_slice(&o->parts);
    if (!end_line(s, o, &l))
        return false;
    o->has_part = false;
    return true;
}

static bool add_part(struct shape *s, struct open *o, const struct line *l)
{
    int rc;

    if (o->has_part && o->parts.n + l->text.n > LINE_MAX_BYTES) {
        if (!end_part(s, o))
            return false;
        s->out.cut++;
    }
    if (!o->has_part) {
        o->part = *l;
        o->part.stays = false;
        o->has_part = true;
        buf_clear(&o->parts);
    }
    rc = buf_add_slice(&o->parts, l->text);
    assert(rc == 0); /* a line is no longer than a record */
    return true;
}

static bool end_all(struct shape *s, struct open *o)
{
    return end_part(s, o) && end_group(s, o);
}

static bool is_open(const struct open *o)
{
    return o->has_group || o->has_part;
}

static size_t begins(const struct open *o)
{
    return o->has_group ? o->group.at : o->part.at;
}

/* Both, in the order in which they began. */
static bool end_both(struct shape *s)
{
    size_t first = is_open(&s->open[1]) && (!is_open(&s->open[0]) || begins(&s->open[1]) < begins(&s->open[0]));

    return end_all(s, &s->open[first]) && end_all(s, &s->open[!first]);
}

/* Those that have whole lines only. */
static void end_groups(struct shape *s)
{
    for (size_t i = 0; i < TAIL_STREAMS; i++)
        if (!s->open[i].has_part && !end_group(s, &s->open[i]))
            return;
}

/* --- lines ------------------------------------------------------------------------------------------------------- */

/* Has the other stream been silent for so long that its record is at its end? */
static bool end_silent(struct shape *s, struct open *other, nsec now)
{
    return !is_open(other) || now < 0 || other->seen < 0 || now - other->seen < s->conf.timeout || end_all(s, other);
}

static bool feed_container(struct shape *s, const struct shape_in *in, struct line *l)
{
    struct container_line c;
    struct open *o = &s->open[0], *other = &s->open[1];
    nsec now;

    if (!container_read(s->conf.container, l->text, &c, &s->unescaped))
        return l->at < in->ahead[0] || (end_part(s, o) && end_line(s, o, l));
    if (l->at < in->ahead[c.is_error])
        return true;
    if (c.is_error) {
        o = &s->open[1];
        other = &s->open[0];
    }
    now = is_open(other) || c.partial || s->conf.multiline ? container_time(c.time) : -1;
    if (!end_silent(s, other, now))
        return false;
    l->stays = c.text.p != s->unescaped.p;
    l->text = c.text;
    l->time = c.time;
    if (!(c.partial || o->has_part ? add_part(s, o, l) && (c.partial || end_part(s, o)) : end_line(s, o, l)))
        return false;
    o->seen = now;
    return true;
}

static bool feed(struct shape *s, const struct shape_in *in, struct line *l)
{
    if (s->conf.container != CONTAINER_NONE)
        return feed_container(s, in, l);
    return end_line(s, &s->open[0], l);
}

/* --- bytes ------------------------------------------------------------------------------------------------------- */

/* How many bytes the first line has without its end; in.n: it has none. */
static size_t line_length(struct slice in, enum tail_encoding e)
{
    const char *end = in.p, *last = in.p + in.n;

    if (!tail_is_utf16(e)) {
        end = in.n > 0 ? memchr(in.p, '\n', in.n) : NULL;
        return end ? (size_t)(end - in.p) : in.n;
    }
    for (; last - end >= 2; end += 2)
        if (utf16_is_newline(end, e == TAIL_UTF16BE))
            return (size_t)(end - in.p);
    return in.n;
}

static void decode_latin1(struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++)
        out->n += utf8_put((unsigned char)in.p[i], out->p + out->n);
}

/* Decodes what l has; returns how many bytes that took. The buffer has room for it, so what was decoded before stays where it is, and
 * lines that follow one another do so in it, too. */
static size_t decode(struct shape *s, enum tail_encoding e, enum utf16_end end, bool terminated, struct line *l)
{
    struct buf *out = &s->decoded;
    size_t from = out->n, took = l->text.n;

    if (e == TAIL_LATIN1) {
        decode_latin1(l->text, out);
    } else {
        struct utf16_cut cut = utf16_lines(l->text, e == TAIL_UTF16BE, end, out->p + from);

        out->n += cut.out;
        took = cut.in;
    }
    l->text = slice_of(out->p + from, out->n - from);
    if (terminated)
        out->p[out->n++] = '\n';
    return took;
}

static bool is_decoded(enum tail_encoding e)
{
    return tail_is_utf16(e) || e == TAIL_LATIN1;
}

static size_t fitting_latin1(struct slice line)
{
    size_t bytes = 0;

    for (size_t i = 0; i < line.n; i++) {
        bytes += (signed char)line.p[i] < 0 ? 2 : 1;
        if (bytes > LINE_MAX_BYTES)
            return i;
    }
    return line.n;
}

/* How many bytes of the line one record can be made of. */
static size_t fitting(const struct shape *s, enum tail_encoding e, struct slice line)
{
    const struct buf *out = &s->decoded;

    if (e == TAIL_LATIN1)
        return fitting_latin1(line);
    if (tail_is_utf16(e)) /* it becomes three bytes for two, at most */
        return line.n <= LINE_MAX_BYTES / 3 * 2 ? line.n
                                                : utf16_lines(line, e == TAIL_UTF16BE, UTF16_ENDS, out->p + out->n).in;
    return line.n < LINE_MAX_BYTES ? line.n : LINE_MAX_BYTES;
}

/* A line that is too long: what is open ends before it, and it is a record as far as it fits. Returns how many bytes of it were taken. */
static size_t feed_piece(struct shape *s, enum tail_encoding e, struct line *l)
{
    size_t took = l->text.n;

    if (is_decoded(e))
        took = decode(s, e, UTF16_RESTS, false, l);
    if (!end_both(s) || !give(s, &s->open[0], l->text, l->time))
        return 0;
    s->out.mid_line = true;
    s->out.split++;
    return took;
}

/* The last line, which has no end. In a container's file it is no part of a record of several: both streams are to be at its end when
 * it was taken, as what begins in front of its end will not be looked at again. */
static size_t feed_rest(struct shape *s, const struct shape_in *in, struct line *l)
{
    enum utf16_end end = in->end == SHAPE_ENDS ? UTF16_ENDS : UTF16_RESTS;
    size_t took = l->text.n;

    if (in->end < SHAPE_RESTS)
        return 0;
    if (is_decoded(in->encoding))
        took = decode(s, in->encoding, end, false, l);
    if (took == 0 || (s->conf.container != CONTAINER_NONE && !end_both(s)) || !feed(s, in, l))
        return 0;
    s->out.mid_line = true;
    return took;
}

/* Walks the lines; returns how many bytes it went over. */
static size_t walk(struct shape *s, const struct shape_in *in)
{
    size_t at = 0, unit = tail_is_utf16(in->encoding) ? 2 : 1;

    while (at < in->bytes.n) {
        struct slice rest = slice_from(in->bytes, at);
        size_t n = line_length(rest, in->encoding), most = fitting(s, in->encoding, slice_of(rest.p, n));
        struct line l = {.at = at, .text = slice_of(rest.p, n), .stays = true};
        /* What so few characters become is no record's length, but more of them will not be seen at once. */
        bool endless = unit == 2 && n == in->bytes.n && in->most && in->end == SHAPE_GOES_ON;

        if (n > most || endless) {
            l.text.n = most;
            return at + feed_piece(s, in->encoding, &l);
        }
        if (n == rest.n)
            return at + feed_rest(s, in, &l);
        if (is_decoded(in->encoding))
            (void)decode(s, in->encoding, UTF16_ENDS, true, &l);
        if (!feed(s, in, &l))
            return at;
        at += n + unit;
    }
    return at;
}

/* The bytes are as many as may be, and no record is at its end: what is open ends here. It is cut when a part of its line is missing, or
 * when it fills the bytes by itself; else it is the other stream that filled them, and most likely nothing more belongs to it. */
static void end_early(struct shape *s, const struct shape_in *in)
{
    bool cut = s->open[0].has_part || s->open[1].has_part || (in->ahead[0] == 0 && in->ahead[1] == 0);

    if (end_both(s))
        s->out.cut += cut;
}

static void reset(struct shape *s)
{
    s->out = (struct shape_out){.records = 0};
    for (size_t i = 0; i < TAIL_STREAMS; i++) {
        s->open[i].has_group = s->open[i].has_part = false;
        s->open[i].state = MULTILINE_NOTHING;
        s->open[i].seen = -1;
    }
    buf_clear(&s->decoded);
}

static void trim(struct shape *s)
{
    for (size_t i = 0; i < TAIL_STREAMS; i++) {
        buf_trim(&s->open[i].joined, TAIL_SHAPE_KEEP_BYTES);
        buf_trim(&s->open[i].parts, TAIL_SHAPE_KEEP_BYTES);
    }
    buf_trim(&s->decoded, TAIL_SHAPE_KEEP_BYTES);
    buf_trim(&s->unescaped, TAIL_SHAPE_KEEP_BYTES);
}

/* A line without end is taken when nothing is open any more. A stream that was ahead of where the walk ended still is. */
static void note_places(struct shape *s, const struct shape_in *in, size_t at)
{
    size_t first = at;

    for (size_t i = 0; i < TAIL_STREAMS; i++) {
        s->out.next[i] = is_open(&s->open[i]) ? begins(&s->open[i]) : at > in->ahead[i] ? at : in->ahead[i];
        first = s->out.next[i] < first ? s->out.next[i] : first;
    }
    if (s->conf.container == CONTAINER_NONE || s->out.mid_line)
        s->out.next[0] = s->out.next[1] = first;
    s->out.mid_line = s->out.mid_line && first == at;
}

struct shape_out shape_run(struct shape *s, const struct shape_in *in, const struct shape_sink *sink)
{
    size_t at;

    s->sink = sink;
    reset(s);
    if (is_decoded(in->encoding) && buf_reserve(&s->decoded, in->bytes.n * 2 + UTF8_MAX) < 0) {
        s->out.full = true;
        return s->out;
    }
    at = walk(s, in);
    if (!s->out.full && in->end == SHAPE_PAUSES) {
        end_groups(s);
    } else if (!s->out.full && in->end != SHAPE_GOES_ON) {
        (void)end_both(s);
    } else if (!s->out.full && in->most && s->out.records == 0) {
        end_early(s, in);
    }
    note_places(s, in, at);
    trim(s);
    return s->out;
}
