/* The spool keeps records in lines form already (see format/frame.h), so `lines` is a slice of the frame and copies
 * nothing. The others walk the records of the frame and write to the scratch. */
#include "transforms/codecs/format.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

/* The part of [first, last] that lies in the frame. False: nothing. */
static bool clamp(const struct frame_view *v, uint64_t *first, uint64_t *last)
{
    uint64_t end = v->first + v->count;

    if (*first < v->first)
        *first = v->first;
    if (*last >= end)
        *last = end - 1;
    return v->count > 0 && *first <= *last;
}

static struct frame_iter records_from(const struct frame_view *v, uint64_t first)
{
    struct frame_iter it = frame_records(v);

    frame_skip_to(&it, first);
    return it;
}

/* The spool keeps records in this form (see format/frame.h): nothing to do. */
static int lines_run(void *state, const struct frame_view *v, uint64_t first, uint64_t last, struct buf *scratch,
                     struct slice *out)
{
    (void)state, (void)scratch;
    *out = clamp(v, &first, &last) ? frame_lines(v, first, last) : (struct slice){"", 0};
    return 0;
}

static int raw_run(void *state, const struct frame_view *v, uint64_t first, uint64_t last, struct buf *scratch,
                   struct slice *out)
{
    struct frame_iter it;
    struct slice rec;

    (void)state;
    buf_clear(scratch);
    *out = (struct slice){"", 0};
    if (!clamp(v, &first, &last))
        return 0;
    if (buf_reserve(scratch, frame_lines(v, first, last).n) < 0)
        return -1;
    it = records_from(v, first);
    while (it.seq <= last && frame_next(&it, &rec))
        if (buf_add_slice(scratch, rec) < 0)
            return -1;
    *out = buf_slice(scratch);
    return 0;
}

struct array {
    bool open; /* the first record is behind us */
};

static int array_begin(void **state, const struct format_begin *b, struct err *e)
{
    (void)b, (void)e;
    *state = mem_alloc(sizeof(struct array));
    return 0;
}

static void array_close(void **state)
{
    MEM_CLEAR(*state);
}

/* JSON nested deeper than our reader follows is delivered as a string: nobody's reader would take it either. */
static int add_element(struct slice rec, struct buf *out)
{
    if (json_valid(rec, JSON_DEPTH_MAX))
        return buf_add_slice(out, rec);
    return json_quote(rec, out);
}

static int array_run(void *state, const struct frame_view *v, uint64_t first, uint64_t last, struct buf *scratch,
                     struct slice *out)
{
    struct array *a = state;
    struct frame_iter it;
    struct slice rec;

    buf_clear(scratch);
    *out = (struct slice){"", 0};
    if (!clamp(v, &first, &last))
        return 0;
    it = records_from(v, first);
    while (it.seq <= last && frame_next(&it, &rec)) {
        if (buf_add_char(scratch, a->open ? ',' : '[') < 0 || add_element(rec, scratch) < 0)
            return -1;
        a->open = true;
    }
    *out = buf_slice(scratch);
    return 0;
}

static int array_finish(void *state, struct buf *out)
{
    const struct array *a = state;

    return buf_add_str(out, a->open ? "]" : "[]");
}

const struct format_ops format_lines = {
    .name = "lines",
    .extension = "",
    .content_type = "application/octet-stream",
    .exact_size = true,
    .run = lines_run,
};

const struct format_ops format_raw = {
    .name = "raw",
    .extension = "",
    .content_type = "application/octet-stream",
    .run = raw_run,
};

const struct format_ops format_json_array = {
    .name = "json_array",
    .extension = "",
    .content_type = "application/json",
    .begin = array_begin,
    .close = array_close,
    .run = array_run,
    .finish = array_finish,
};

uint64_t format_memory(const struct format_ops *f, const void *options, uint64_t bytes)
{
    return f->memory ? f->memory(options, bytes) : 0;
}

bool format_takes_codec(const struct format_ops *f, const struct codec_ops *codec)
{
    return !f->no_codec || !codec->encoding;
}
