/* note.c -- what an object is called, and the note that keeps it so.
 *
 * A name, the format, the codec and its level are fixed when a batch is sealed, and stand in the journal with the
 * seal. So a redelivery, also after a restart with another configuration, makes the same object under the same name,
 * and overwrites what may be there already. Bodies that hold only some of the records are named when they are made:
 * their names follow from the object's id and the window.
 */
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/delivery/impl.h"
#include "pipeline/delivery/object_weight.h"
#include "pipeline/delivery/seal_meta.h"

#include <assert.h>
#include <inttypes.h>

/* Options that make names too long are refused at start; should one slip through, its records are delivered all the
 * same, under a name that says where they belong. */
void delivery_name(const struct delivery *d, const struct target *t, const struct sink_seal_id *id,
                   const char *extension, struct buf *name)
{
    struct err e;

    buf_clear(name);
    if (!t->ops->name_object || t->ops->name_object(t->state, id, extension, name, &e) == 0)
        return;
    log_error("an object cannot be named as configured", KS("stream", settings_label(d->host->conf)), KE("cause", &e));
    buf_clear(name);
    if (buf_printf(name, "unnamed/%s-%" PRIu64 "-%" PRIu64 "-%" PRIx64 "%s", d->host->conf->name, id->first, id->last,
                   id->window, extension) < 0)
        assert(!"a short name fits");
}

/* Its bodies are named when they are made. */
static bool is_for_backup(const struct delivery *d)
{
    return d->parcel_of && d->parcel_of->kind != STAGE_RECORDS;
}

/* The keys may be borrowed from the note that was there until now, so that one stays until the new one is whole. */
static void write_note(struct delivery *d, const char *format, const struct codec_ops *codec, int level,
                       uint64_t body_max)
{
    const struct object *o = &d->whole.object;
    struct seal_meta note = {.format = format,
                             .codec = codec->name,
                             .level = level,
                             .epoch = o->epoch,
                             .body_max = body_max,
                             .keys = o->keys};
    struct sink_seal_id id = object_id(o, 0);
    struct buf name, bytes;

    buf_init(&name, OBJECT_NAME_MAX);
    buf_init(&bytes, SEAL_META_MAX);
    if (!is_for_backup(d))
        delivery_name(d, d->host->destination, &id, codec->extension, &name);
    note.name = buf_slice(&name);
    if (seal_meta_write(&note, &bytes) < 0)
        assert(!"a note with a name of OBJECT_NAME_MAX fits");
    buf_release(&name);
    buf_release(&d->note_bytes);
    d->note_bytes = bytes;
}

static int read_note(struct delivery *d)
{
    struct seal_meta note;

    if (seal_meta_read(buf_slice(&d->note_bytes), &note) < 0)
        return -1;
    d->seal.note = buf_slice(&d->note_bytes);
    d->name = note.name;
    d->format = format_find(note.format);
    if (d->format && d->format != d->host->conf->format && d->format->fields && !delivery_is_of_failed(d))
        d->format = d->host->conf->format; /* its options are known no more; the object's name stays */
    d->codec = codec_find(note.codec);
    d->level = note.level;
    d->body_max = note.body_max;
    d->whole.object.epoch = note.epoch;
    d->whole.object.keys = note.keys;
    return d->format && d->codec ? 0 : -1;
}

void delivery_note_write(struct delivery *d)
{
    const struct stream_settings *conf = d->host->conf;

    if (delivery_is_of_failed(d)) /* lines that are there already */
        write_note(d, "lines", codec_find("none"), 0, 0);
    else
        write_note(d, conf->format->name, conf->codec, conf->codec_level, conf->compressed_size * OBJECT_WEIGHT_MOST);
    if (read_note(d) < 0)
        assert(!"a note that was just written can be read");
}

/* Sealed for a destination that has no object names, and now there is one that has: it gets one, which follows from
 * the seal as every other. */
static bool lacks_name(const struct delivery *d)
{
    return d->name.n == 0 && d->host->destination->ops->name_object && !is_for_backup(d);
}

void delivery_note_restore(struct delivery *d, struct slice note)
{
    if (buf_add_slice(&d->note_bytes, note) < 0 || read_note(d) < 0) {
        /* Damaged, or written by a program that knew another codec or format: the range is kept, the rest is as configured now. */
        log_warn("a sealed batch of an earlier run has no readable note; it is delivered as configured now",
                 KS("stream", settings_label(d->host->conf)), KU("first", d->seal.first), KU("last", d->seal.last));
        if (!d->parcel_of)
            d->whole.object.epoch = 0; /* the same at each start: the note is not written down again */
        delivery_note_write(d);
    }
    if (!lacks_name(d))
        return;
    write_note(d, d->format->name, d->codec, d->level, d->body_max);
    if (read_note(d) < 0)
        assert(!"a note that was just written can be read");
}

struct slice delivery_content_name(const struct delivery *d)
{
    const char *slash = d->name.n > 0 ? memrchr(d->name.p, '/', d->name.n) : NULL;
    size_t folders = slash ? (size_t)(slash - d->name.p) + 1 : 0, extension = strlen(d->codec->extension);
    struct slice name = slice_of(d->name.p + folders, d->name.n - folders);

    if (name.n > extension &&
        slice_eq(slice_of(name.p + name.n - extension, extension), slice_str(d->codec->extension)))
        name.n -= extension;
    return name;
}
