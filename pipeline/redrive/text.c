/* Pieces of the file go through the decompressor (transforms/codecs/unpack.h, which passes on what is not
 * compressed) into a buffer that holds the longest line and a piece more. Lines are shown where they lie in it. Of
 * a longer line the beginning is shown, and all up to its end is dropped. */
#include "pipeline/redrive/text.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/unpack.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

struct redrive_text {
    int fd;
    uint64_t at; /* of the next piece */
    char *piece;
    struct slice rest; /* of the piece */
    bool ended;        /* the file */
    struct unpack *unpack;
    struct buf text;
    size_t shown; /* of it */
    bool cut;     /* the line that comes next has been shown as far as it is */
};

struct redrive_text *redrive_text_new(int fd)
{
    struct redrive_text *t = mem_alloc(sizeof(*t));

    t->fd = fd;
    t->piece = mem_alloc(REDRIVE_PIECE);
    buf_init(&t->text, REDRIVE_LINE_MAX + REDRIVE_PIECE);
    return t;
}

void redrive_text_free(struct redrive_text **t)
{
    if (!*t)
        return;
    unpack_free(&(*t)->unpack);
    buf_release(&(*t)->text);
    mem_free((*t)->piece);
    MEM_CLEAR(*t);
}

bool redrive_text_is_packed(const struct redrive_text *t)
{
    return t->unpack && unpack_is_packed(t->unpack);
}

/* More of the text. 1: there is more, 0: that was all, -1. */
static int read_on(struct redrive_text *t, struct err *e)
{
    size_t before;

    t->text.n -= t->shown; /* what was shown goes, and the rest moves to the beginning */
    if (t->shown > 0 && t->text.n > 0)
        memmove(t->text.p, t->text.p + t->shown, t->text.n);
    t->shown = 0;
    before = t->text.n;
    for (;;) {
        size_t left = t->rest.n;

        if (left == 0 && !t->ended) {
            ssize_t n = pread(t->fd, t->piece, REDRIVE_PIECE, (off_t)t->at);

            if (n < 0)
                return err_errno(e, "cannot read it");
            t->at += (uint64_t)n;
            t->ended = n == 0;
            t->rest = slice_of(t->piece, (size_t)n);
            if (!t->unpack)
                t->unpack = unpack_new(t->rest);
        }
        if (unpack_step(t->unpack, &t->rest, &t->text, e) < 0)
            return -1;
        if (t->text.n > before)
            return 1;
        if (t->ended && t->rest.n == left)
            return unpack_end(t->unpack, e);
    }
}

/* 1: a whole line, or the beginning of one that is too long; 0: there is none as yet. */
static int find_line(struct redrive_text *t, struct slice *line)
{
    struct slice waiting = slice_of(t->text.p + t->shown, t->text.n - t->shown);
    const char *end = waiting.n > 0 ? memchr(waiting.p, '\n', waiting.n) : NULL;
    bool in_cut_line = t->cut;

    if (!end && waiting.n < REDRIVE_LINE_MAX)
        return 0;
    *line = slice_of(waiting.p, end ? (size_t)(end - waiting.p) : waiting.n);
    t->shown += line->n + (end != NULL);
    t->cut = !end;
    return in_cut_line ? find_line(t, line) : 1;
}

int redrive_text_line(struct redrive_text *t, struct slice *line, struct err *e)
{
    int rc;

    while (!find_line(t, line)) {

        rc = read_on(t, e);
        if (rc < 0)
            return -1;
        if (rc > 0)
            continue;
        *line = buf_slice(&t->text); /* the last line may lack its break */
        t->shown = line->n;
        return line->n > 0 && !t->cut;
    }
    return 1;
}
