/* What the server acknowledged of an object is noted (progress_file.h) before the next batch goes. */
#include "pipeline/redrive/job.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/put/sender.h"
#include "pipeline/redrive/bucket.h"
#include "pipeline/redrive/line.h"
#include "pipeline/redrive/progress_file.h"
#include "pipeline/redrive/source.h"
#include "pipeline/redrive/text.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* All that is under way. */
struct job {
    const struct redrive_options *o;
    struct redrive_counts *count;
    struct put_sender sender;
    struct buf scratch;
    struct redrive_state *state;              /* of the object that is being read */
    uint64_t in_batch[PUT_BATCH_MAX_RECORDS]; /* its lines in the sender's batch, ascending */
    size_t in_batch_count;
    struct err failed; /* why sending ended */
};

bool redrive_is_bucket(const char *path)
{
    return strncmp(path, REDRIVE_BUCKET, strlen(REDRIVE_BUCKET)) == 0;
}

/* Takes the line over. */
static void tell(struct job *j, char *line)
{
    j->o->listener->trouble(j->o->listener->ctx, line);
    mem_free(line);
}

static void note_unread(void *ctx, const char *path, const struct err *e)
{
    struct job *j = ctx;

    j->count->unread++;
    tell(j, mem_printf("%s: %s", path, e->msg));
}

/* --- one object --------------------------------------------------------------------------------------------------- */

/* The lines that are not in the batch any more were taken. */
static int note_taken(void *ctx, struct err *e)
{
    struct job *j = ctx;
    const struct put_batch *b = &j->sender.batch;
    size_t left = 0;
    struct err cause;

    for (size_t i = 0; i < j->in_batch_count; i++) {
        if (left < b->count && b->tags[left] == j->in_batch[i])
            j->in_batch[left++] = j->in_batch[i];
        else
            redrive_state_done(j->state, j->in_batch[i]);
    }
    assert(left == b->count);
    j->in_batch_count = left;
    if (redrive_state_save(j->state, &cause) == 0)
        return 0;
    return err_set(e, cause.code, "%s; stopped, because a second run would not know what was put back", cause.msg);
}

/* -1: sending has failed. */
static int do_line(struct job *j, const struct redrive_file *f, struct slice text, uint64_t line)
{
    const struct redrive_options *o = j->o;
    bool code_fits = o->code_count == 0;
    struct redrive_line l;
    struct err e;

    if (redrive_state_is_done(j->state, line)) {
        j->count->before++;
        return 0;
    }
    if (redrive_line_read(text, &j->scratch, &l, &e) < 0) {
        j->count->unread++;
        tell(j, mem_printf("%s:%" PRIu64 ": %s", f->path, line, e.msg));
        return 0;
    }
    for (size_t i = 0; i < o->code_count; i++)
        code_fits |= slice_is(l.code, o->codes[i]);
    if (!code_fits || l.ended < o->since) {
        j->count->left_out++;
        return 0;
    }
    j->count->chosen++;
    j->count->chosen_bytes += l.data.n;
    if (o->dry_run)
        return 0;
    if (put_sender_add(&j->sender, l.data, line, &j->failed) < 0)
        return -1;
    j->in_batch[j->in_batch_count++] = line;
    return 0;
}

/* -1: sending has failed. What cannot be read any more is noted. */
static int do_lines(struct job *j, const struct redrive_file *f)
{
    struct redrive_text *t = redrive_text_new(f->fd);
    struct slice text;
    uint64_t line = 0;
    struct err e;
    int got, rc = 0;

    while (rc == 0 && (got = redrive_text_line(t, &text, &e)) != 0) {
        if (got < 0) {
            note_unread(j, f->path, &e);
            break;
        }
        rc = do_line(j, f, text, ++line);
    }
    redrive_text_free(&t);
    return rc < 0 ? -1 : j->o->dry_run ? 0 : put_sender_flush(&j->sender, &j->failed);
}

/* --- before anything of it is put back ----------------------------------------------------------------------------- */

/* Is its first line one of an error object? In a folder there may be other things, such as the source records of
 * `backup: { mode: all }`. Then, of what is compressed, all of it: nothing of a damaged object is put back. -1: it cannot be read. */
static int look_through(struct job *j, const struct redrive_file *f, bool *is_one, struct err *e)
{
    struct redrive_text *t = redrive_text_new(f->fd);
    struct redrive_line l;
    struct slice line;
    struct err ignored;
    int rc = redrive_text_line(t, &line, e);

    *is_one = rc > 0 && redrive_line_read(line, &j->scratch, &l, &ignored) == 0;
    while (rc > 0 && redrive_text_is_packed(t))
        rc = redrive_text_line(t, &line, e);
    redrive_text_free(&t);
    return rc < 0 ? -1 : 0;
}

static int digest_of(const struct redrive_file *f, struct redrive_content *out, struct err *e)
{
    struct sha256 *hash = sha256_new();
    char *piece = mem_alloc(REDRIVE_PIECE);
    ssize_t n;

    sha256_begin(hash);
    for (out->size = 0; (n = pread(f->fd, piece, REDRIVE_PIECE, (off_t)out->size)) > 0; out->size += (uint64_t)n)
        sha256_add(hash, slice_of(piece, (size_t)n));
    if (n < 0)
        err_errno(e, "cannot read it");
    sha256_end(hash, out->sha256);
    sha256_free(&hash);
    mem_free(piece);
    return n < 0 ? -1 : 0;
}

static int open_state(struct job *j, const struct redrive_file *f, struct err *e)
{
    struct redrive_content content;
    char *note;
    int rc = digest_of(f, &content, e);

    if (rc < 0)
        return -1;
    note = f->bucket ? redrive_note_in(j->o->state_folder, f->bucket, f->key, j->o->stream)
                     : redrive_note_beside(f->path, j->o->stream);
    rc = redrive_state_open(&j->state, note, &content, !j->o->dry_run, e);

    mem_free(note);
    return rc;
}

static int do_object(void *ctx, const struct redrive_file *f)
{
    struct job *j = ctx;
    uint64_t before = j->count->chosen;
    bool is_one;
    struct err e;
    int rc;

    rc = look_through(j, f, &is_one, &e);
    if (rc == 0 && !f->named && !is_one) {
        j->count->others++;
        return 0;
    }
    if (rc < 0 || open_state(j, f, &e) < 0) {
        note_unread(j, f->path, &e);
        return 0;
    }

    j->in_batch_count = 0;
    rc = do_lines(j, f);
    j->count->objects += j->count->chosen > before;
    if (j->o->dry_run && j->count->chosen > before)
        j->o->listener->object(j->o->listener->ctx, f->path, j->count->chosen - before);
    if (rc < 0) {
        tell(j, mem_printf("%s", j->failed.msg));
        tell(j, mem_printf("stopped in %s; run the same command again to go on from there", f->path));
    }
    redrive_state_close(&j->state);
    return rc;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static int redrive_address(struct job *j, const char *address, const struct redrive_visitor *v)
{
    const char *at = address + strlen(REDRIVE_BUCKET), *slash = strchr(at, '/');
    char *bucket = mem_strndup(at, slash ? (size_t)(slash - at) : strlen(at));
    const struct bucket_question q = {j->o->settings, j->o->stream, bucket, j->o->s3_endpoint, j->o->s3_region};
    struct redrive_bucket r = {.address = address,
                               .bucket = bucket,
                               .since = j->o->since,
                               .tmp_dir = j->o->dry_run ? NULL : j->o->state_folder};
    struct s3_reader *reader = NULL;
    struct bucket_options options;
    uint64_t unread = j->count->unread;
    struct err e;
    int rc = 0;

    bucket_options_choose(&q, &options);
    if (s3_reader_open(&reader, &options.conf, options.place, options.base_dir, &e) < 0) {
        note_unread(j, address, &e);
        goto out;
    }
    r.prefix = slice_str(slash ? slash + 1 : "");
    r.reader = reader;
    rc = redrive_bucket(&r, v);
    j->count->older += r.older;
    if (j->count->unread > unread) /* a mistake may come from where the bucket was looked for, and who said so */
        tell(j, mem_printf("%s was looked for at %s, region %s, with %s%s%s", address, s3_reader_endpoint(reader),
                           s3_reader_region(reader),
                           options.section ? "the options of the stream's `"
                                           : "no options of the stream, which has none for this "
                                             "bucket",
                           options.section ? options.section : "", options.section ? "`" : ""));

out:
    s3_reader_free(&reader);
    mem_free(bucket);
    return rc;
}

static void show_progress(void *ctx, const struct progress_count *taken)
{
    const struct job *j = ctx;

    j->o->listener->progress(j->o->listener->ctx, taken);
}

int redrive_job(const struct redrive_options *o, struct redrive_counts *out, struct err *e)
{
    struct job *j = mem_alloc(sizeof(*j));
    const struct put_sender_conf to = {.stream = o->stream,
                                       .endpoint = o->endpoint,
                                       .settings = o->settings,
                                       .give_up = o->give_up,
                                       .taken = note_taken,
                                       .progress = show_progress,
                                       .ctx = j};
    const struct redrive_visitor v = {.object = do_object, .unread = note_unread, .ctx = j};
    int rc = 0;

    *out = (struct redrive_counts){.stopped = false};
    j->o = o;
    j->count = out;
    buf_init(&j->scratch, REDRIVE_SCRATCH_MAX);
    if (!o->dry_run)
        rc = put_sender_open(&j->sender, &to, e);
    for (int i = 0; rc == 0 && !out->stopped && i < o->path_count; i++)
        out->stopped =
            (redrive_is_bucket(o->paths[i]) ? redrive_address(j, o->paths[i], &v) : redrive_files(o->paths[i], &v)) < 0;

    out->put_back = j->sender.count;
    if (!o->dry_run)
        put_sender_close(&j->sender);
    buf_release(&j->scratch);
    mem_free(j);
    return rc;
}
