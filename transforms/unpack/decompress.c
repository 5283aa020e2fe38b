/* Records that are gzip become what they hold. With `cloudwatch_logs` what they hold must be an envelope as CloudWatch
 * Logs sends it: CONTROL_MESSAGE is dropped, DATA_MESSAGE goes on whole, as one record per event, or as the messages'
 * text alone. The limit holds for one record, so a zip bomb fails alone and its neighbours go on. */
#include "transforms/transform.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/gunzip.h"
#include "transforms/unpack/cloudwatch.h"

enum cloudwatch_mode {
    CLOUDWATCH_OFF,
    CLOUDWATCH_ENVELOPE,
    CLOUDWATCH_EVENTS,
    CLOUDWATCH_MESSAGES,
};

static const struct cfg_choice MODES[] = {
    {"off", CLOUDWATCH_OFF},
    {"envelope", CLOUDWATCH_ENVELOPE},
    {"events", CLOUDWATCH_EVENTS},
    {"messages", CLOUDWATCH_MESSAGES},
    {NULL, 0},
};

enum not_gzip {
    NOT_GZIP_FAIL,
    NOT_GZIP_PASS,
};

static const struct cfg_choice NOT_GZIP[] = {{"fail", NOT_GZIP_FAIL}, {"pass", NOT_GZIP_PASS}, {NULL, 0}};

struct decompress_conf {
    int cloudwatch;
    int not_gzip;
    uint64_t limit;
};

static const struct cfg_field FIELDS[] = {
    {.name = "cloudwatch_logs",
     .type = CFG_ENUM,
     .offset = offsetof(struct decompress_conf, cloudwatch),
     .choices = MODES,
     .def = "off",
     .help = "records of a CloudWatch Logs subscription: one record per envelope, per event, or per message text"},
    {.name = "not_gzip",
     .type = CFG_ENUM,
     .offset = offsetof(struct decompress_conf, not_gzip),
     .choices = NOT_GZIP,
     .def = "fail",
     .help = "what happens to a record that does not begin as gzip does"},
    {.name = "limit",
     .type = CFG_SIZE,
     .offset = offsetof(struct decompress_conf, limit),
     .def = "16MiB",
     .min = 1024,
     .max = 32 * (int64_t)MIB,
     .help = "a record that holds more than this fails"},
    {.name = NULL},
};

struct decompress {
    const struct decompress_conf *conf;
    struct gunzip *gunzip;
    struct buf whole, event;
    const struct cancel *cancel;
};

static int decompress_load(void **shared, const void *conf, const struct transform_env *env, struct err *e)
{
    struct decompress_conf *copy = mem_alloc(sizeof(*copy));

    (void)env, (void)e;
    *copy = *(const struct decompress_conf *)conf;
    *shared = copy;
    return 0;
}

static int decompress_open(void **state, void *shared, const struct cancel *cancel, struct err *e)
{
    struct decompress *d = mem_alloc(sizeof(*d));

    (void)e;
    d->cancel = cancel;
    d->conf = shared;
    d->gunzip = gunzip_new();
    buf_init(&d->whole, d->conf->limit);
    /* An event repeats the envelope's names, which it was cut out of. */
    buf_init(&d->event, d->conf->limit + 4 * KIB);
    *state = d;
    return 0;
}

static void decompress_close(void **state)
{
    struct decompress *d = *state;

    if (!d)
        return;
    gunzip_free(&d->gunzip);
    buf_release(&d->whole);
    buf_release(&d->event);
    MEM_CLEAR(*state);
}

/* Says nothing of what is in the record. */
static int refuse(struct transform_out *out, const struct transform_record *rec, const char *code, struct slice why)
{
    return out->fail(out, rec, code, why, why);
}

static int emit_events(struct decompress *d, const struct transform_record *rec,
                       const struct cloudwatch_envelope *envelope, struct transform_out *out, struct err *e)
{
    struct cloudwatch_events events;
    struct cloudwatch_event event;

    cloudwatch_events_open(&events, envelope);
    while (cloudwatch_event_next(&events, &event)) {
        buf_clear(&d->event);
        if ((d->conf->cloudwatch == CLOUDWATCH_MESSAGES ? cloudwatch_message(&event, &d->event)
                                                        : cloudwatch_event_object(envelope, &event, &d->event)) < 0)
            return err_set(e, ERR_NOMEM, "decompress: no memory for an event");
        if (out->emit(out, rec, buf_slice(&d->event), NULL, 0) < 0)
            return -1;
    }
    return 0;
}

static int cloudwatch(struct decompress *d, const struct transform_record *rec, struct transform_out *out,
                      struct err *e)
{
    struct cloudwatch_envelope envelope;
    char too_much[128];
    size_t bytes;
    struct err why = {0};

    if (cloudwatch_read(buf_slice(&d->whole), &envelope, &why) < 0)
        return refuse(out, rec, "CloudWatchLogProcessing.InvalidEnvelope", slice_str(why.msg));
    if (envelope.is_control) {
        out->drop(out, rec, SLICE("CloudWatch Logs control message"));
        return 0;
    }
    if (d->conf->cloudwatch == CLOUDWATCH_ENVELOPE)
        return out->emit(out, rec, buf_slice(&d->whole), NULL, 0);
    if (envelope.event_count == 0) {
        out->drop(out, rec, SLICE("CloudWatch Logs envelope without events"));
        return 0;
    }
    if (transform_makes_too_much(envelope.event_count, 0, too_much, sizeof(too_much)))
        return refuse(out, rec, TRANSFORM_MADE_CODE, slice_str(too_much));
    /* What splitting can give at most: long names times many events must not be a bomb either. */
    bytes = d->whole.n;
    if (d->conf->cloudwatch == CLOUDWATCH_EVENTS)
        bytes += (envelope.owner.n + envelope.log_group.n + envelope.log_stream.n) * envelope.event_count;
    if (bytes > d->conf->limit)
        return refuse(out, rec, "Decompression.LimitExceeded",
                      SLICE("CloudWatch Logs envelope: its events outgrow `limit` when each names its origin"));
    return emit_events(d, rec, &envelope, out, e);
}

static int decompress_one(struct decompress *d, const struct transform_record *rec, struct transform_out *out,
                          struct err *e)
{
    struct err why = {0};

    if (d->conf->not_gzip == NOT_GZIP_PASS && !gunzip_looks_so(rec->data))
        return out->emit(out, rec, rec->data, NULL, 0);
    buf_clear(&d->whole);
    if (gunzip_all(d->gunzip, rec->data, &d->whole, &why) < 0)
        return refuse(out, rec, why.code == ERR_LIMIT ? "Decompression.LimitExceeded" : "Decompression.InvalidData",
                      slice_str(why.msg));
    if (d->conf->cloudwatch != CLOUDWATCH_OFF)
        return cloudwatch(d, rec, out, e);
    return out->emit(out, rec, buf_slice(&d->whole), NULL, 0);
}

static int decompress_run(void *state, const struct transform_record *records, size_t count, struct transform_out *out,
                          struct err *e)
{
    struct decompress *d = state;

    for (size_t i = 0; i < count; i++) {
        if (cancel_is_asked(d->cancel))
            return err_set(e, ERR_CANCELLED, "the program is ending");
        if (decompress_one(d, &records[i], out, e) < 0)
            return -1;
        buf_trim(&d->whole, TRANSFORM_KEEP_MAX);
        buf_trim(&d->event, TRANSFORM_KEEP_MAX);
    }
    return 0;
}

const struct transform_ops transform_decompress = {
    .name = "decompress",
    .help = "gzip records become what they hold; CloudWatch Logs envelopes are split",
    .fields = FIELDS,
    .conf_size = sizeof(struct decompress_conf),
    .scalar_option = "cloudwatch_logs",
    .load = decompress_load,
    .open = decompress_open,
    .close = decompress_close,
    .run = decompress_run,
};
