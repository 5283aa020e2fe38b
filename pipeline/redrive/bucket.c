/* A store may answer the same page for ever. To see that without remembering all of them, one page is remembered, and
 * after 1, 2, 4, 8 ... pages another one in its place (Brent's way to find a cycle): a circle of pages meets the one that
 * is remembered within a few rounds. */
#include "pipeline/redrive/bucket.h"

#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/human.h"
#include "pipeline/redrive/s3_fetch.h"
#include "sinks/sink.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct walk {
    struct redrive_bucket *r;
    const struct redrive_visitor *v;
    struct s3_fetch *bucket;
    struct s3_list_page page;
    struct buf token; /* that asked for the page */
    uint64_t objects, pages, empty_pages;
    struct buf seen_token, seen_key; /* of the page that is remembered: what comes behind it, its first key */
    uint64_t seen_until;             /* pages; then another one is remembered */
};

/* For people: keys may have any byte. */
static char *path_of(const char *bucket, struct slice key)
{
    char *path = mem_printf("s3://%s/%.*s", bucket, (int)key.n, key.p);

    for (char *p = path; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return path;
}

/* Without a name: a crash leaves nothing. */
static int open_unnamed(const char *folder, struct err *e)
{
    const char *set = getenv("TMPDIR");
    char *path = mem_printf("%s/.sluice-redrive-XXXXXX", folder ? folder : set && *set ? set : "/var/tmp");
    int fd = mkostemp(path, O_CLOEXEC);

    if (fd < 0)
        err_errno(e, "no place for its bytes: %s", path);
    else
        unlink(path);
    mem_free(path);
    return fd;
}

/* All of an object into the file. */
static enum s3_fetch_outcome fetch(struct walk *w, uint64_t size, struct slice key, int fd, struct err *e)
{
    struct s3_piece piece = {.size = size};
    enum s3_fetch_outcome outcome = S3_FETCH_DONE;
    struct bucket_tag tag = {.text = ""};
    struct buf bytes;

    if (size > REDRIVE_OBJECT_MAX) {
        err_set(e, ERR_LIMIT, "it has more than %llu bytes", REDRIVE_OBJECT_MAX);
        return S3_FETCH_REFUSED;
    }
    buf_init(&bytes, REDRIVE_FETCH);
    do { /* also of an object whose size the listing does not tell: all of it at once */
        piece.n = size && size - piece.from < REDRIVE_FETCH ? size - piece.from : REDRIVE_FETCH;
        outcome = s3_fetch_get(w->bucket, key, &piece, &tag, &bytes, e);
        if (outcome == S3_FETCH_DONE && io_write_all(fd, buf_slice(&bytes)) < 0) {
            err_errno(e, "no place for its bytes");
            outcome = S3_FETCH_REFUSED;
        }

        piece.from += piece.n;
    } while (outcome == S3_FETCH_DONE && piece.from < size);
    buf_release(&bytes);
    return outcome;
}

/* 1: the walk is over, with what came of it said. */
static int visit_object(struct walk *w, const struct s3_list_object *o, struct slice key)
{
    char *path = path_of(w->r->bucket, key);
    struct err e;
    struct redrive_file f = {.path = path,
                             .bucket = w->r->bucket,
                             .key = key,
                             .named = slice_eq(key, w->r->prefix),
                             .fd = open_unnamed(w->r->tmp_dir, &e)};
    enum s3_fetch_outcome outcome = f.fd < 0 ? S3_FETCH_REFUSED : fetch(w, o->size, key, f.fd, &e);
    int rc = 0;

    if (outcome == S3_FETCH_DONE) {
        rc = w->v->object(w->v->ctx, &f);
    } else {
        if (outcome == S3_FETCH_AWAY)
            err_wrap(&e, "stopped here");
        w->v->unread(w->v->ctx, path, &e);
        rc = outcome == S3_FETCH_AWAY;
    }
    if (f.fd >= 0)
        close(f.fd);
    mem_free(path);
    return rc;
}

static int copy(struct buf *to, struct slice from)
{
    buf_clear(to);
    return buf_add_slice(to, from);
}

static int check_progress(struct walk *w, struct err *e)
{
    struct slice next = buf_slice(&w->page.next), first = {0};

    if (w->page.count > 0)
        first = s3_list_key(&w->page, 0);
    if (w->pages > 0 && next.n > 0 && slice_eq(next, buf_slice(&w->seen_token)))
        return err_set(e, ERR_FORMAT, "the listing goes in circles: its continuation token repeats");
    if (w->pages > 0 && first.n > 0 && slice_eq(first, buf_slice(&w->seen_key)))
        return err_set(e, ERR_FORMAT, "the listing goes in circles: a page comes again");
    w->empty_pages = first.n > 0 ? 0 : w->empty_pages + 1;
    if (w->empty_pages > REDRIVE_EMPTY_PAGES_MAX)
        return err_set(e, ERR_FORMAT, "the listing goes on without an object; %d empty pages in a row",
                       REDRIVE_EMPTY_PAGES_MAX);
    if (w->pages++ < w->seen_until)
        return 0;
    w->seen_until = w->seen_until * 2 + 1;
    return copy(&w->seen_token, next) < 0 || copy(&w->seen_key, first) < 0
               ? err_set(e, ERR_NOMEM, "no memory for the listing")
               : 0;
}

static int walk_pages(struct walk *w)
{
    struct redrive_bucket *r = w->r;
    struct err e;
    int rc = 0;

    do {
        if (s3_fetch_list(w->bucket, r->prefix, buf_slice(&w->token), &w->page, &e) != S3_FETCH_DONE ||
            check_progress(w, &e) < 0)
            goto fail;
        if (copy(&w->token, buf_slice(&w->page.next)) < 0) {
            err_set(&e, ERR_NOMEM, "no memory for the listing");
            goto fail;
        }
        for (size_t i = 0; rc == 0 && i < w->page.count; i++) {
            const struct s3_list_object *o = s3_list_at(&w->page, i);

            if (r->since && o->modified != NSEC_NEVER && o->modified < r->since - REDRIVE_CLOCKS_DIFFER_MAX)
                r->older++;
            else
                rc = visit_object(w, o, s3_list_key(&w->page, i));
        }
        w->objects += w->page.count;
    } while (rc == 0 && w->token.n > 0);
    if (rc == 0 && w->objects == 0) {
        err_set(&e, ERR_REMOTE, "there is no object in bucket `%s` at %s whose key begins so", r->bucket,
                s3_reader_endpoint(r->reader));
        w->v->unread(w->v->ctx, r->address, &e);
    }
    return rc < 0 ? -1 : 0;
fail:
    if (w->objects)
        err_wrap(&e, "the listing is left after %llu object%s", (unsigned long long)w->objects, noun_s(w->objects));
    w->v->unread(w->v->ctx, r->address, &e);
    return 0;
}

int redrive_bucket(struct redrive_bucket *r, const struct redrive_visitor *v)
{
    struct walk w = {.r = r, .v = v};
    struct err e;
    int rc = 0;

    s3_list_page_init(&w.page);
    buf_init(&w.token, REDRIVE_TOKEN_MAX);
    buf_init(&w.seen_token, REDRIVE_TOKEN_MAX);
    buf_init(&w.seen_key, S3_KEY_MAX);
    if (s3_fetch_open(&w.bucket, r->reader, &e) == 0)
        rc = walk_pages(&w);
    else
        v->unread(v->ctx, r->address, &e);
    s3_fetch_close(&w.bucket);
    s3_list_page_release(&w.page);
    buf_release(&w.token);
    buf_release(&w.seen_token);
    buf_release(&w.seen_key);
    return rc;
}

/* --- with which options -------------------------------------------------------------------------------------------- */

extern const struct sink_ops sink_s3;

static const struct s3_conf *if_same(const struct sink_ops *ops, const void *conf, const char *bucket)
{
    const struct s3_conf *c = conf;

    return ops == &sink_s3 && strcmp(c->bucket, bucket) == 0 ? c : NULL;
}

void bucket_options_choose(const struct bucket_question *q, struct bucket_options *out)
{
    const struct stream_settings *st = q->settings ? settings_stream(q->settings, q->stream) : NULL;
    const struct s3_conf *backup = NULL, *destination = NULL;

    for (size_t i = 0; st && i < settings_outlet_count(st); i++) {
        const struct stream_settings *own = settings_outlet(st, i);

        backup = backup ? backup : if_same(own->backup, own->backup_conf, q->bucket);
        destination = destination ? destination : if_same(own->sink, own->sink_conf, q->bucket);
    }
    *out = (struct bucket_options){.place = "--s3-", .base_dir = q->settings ? q->settings->base_dir : NULL};
    if (backup) {
        out->conf = *backup;
        out->place = "backup.s3.";
        out->section = "backup";
    } else if (destination) {
        out->conf = *destination;
        out->place = "destination.s3.";
        out->section = "destination";
    } else {
        out->conf = (struct s3_conf){.bucket = (char *)q->bucket, .timeout = BUCKET_TIMEOUT, .tls = {.verify = true}};
    }
    if (q->endpoint)
        out->conf.endpoint = (char *)q->endpoint; /* only read: see the header */
    if (q->region)
        out->conf.region = (char *)q->region;
    if (q->endpoint || q->region)
        out->place = "--s3-";
}
