/* Where reading begins. What may lie at the beginning of a file, before its first line:
 *
 *   zeros        A program without O_APPEND (cmd > file) goes on at its old offset after copytruncate and leaves a hole in
 *                front of what it writes. Nobody wrote those bytes; they are passed over. Where the file system knows of
 *                no hole (small files, copies), they are told by their number: a block of them, or as many as had been read
 *                before the truncation. A file of zeros only is left alone: it may be one that is filled from its
 *                beginning. Zeros elsewhere are bytes like others, but for holes (hole.c).
 *   a byte order mark    It is no part of the first line, and says what the encoding is.
 *
 * A file that is read from its end on begins behind its last '\n'. */
#include "pipeline/base/limits.h"
#include "pipeline/inputs/tail/tail.h"
#include "pipeline/inputs/tail/utf16.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define HEAD_BYTES  512  /* that are looked at for an encoding */
#define BLOCK_BYTES 4096 /* so many zeros are no text, whoever wrote them */

/* --- zeros ------------------------------------------------------------------------------------------------------- */

enum search { SEARCH_FOUND, SEARCH_GOES_ON, SEARCH_END };

/* Moves f->zeros_to to the first byte that is not zero. */
static enum search search(struct tail_file *f)
{
    off_t data = f->is_packed ? 0 : lseek(f->fd, (off_t)f->zeros_to, SEEK_DATA);
    char bytes[TAIL_ZEROS_READ_BYTES];

    if (data < 0 && errno == ENXIO)
        return SEARCH_END;
    if (data > (off_t)f->zeros_to)
        f->zeros_to = (uint64_t)data;
    for (size_t done = 0; done < TAIL_ZEROS_STEP_BYTES;) {
        ssize_t n = tail_file_read(f, bytes, sizeof(bytes), f->zeros_to);
        size_t zeros = 0;

        if (n <= 0)
            return SEARCH_END;
        while (zeros < (size_t)n && bytes[zeros] == '\0')
            zeros++;
        f->zeros_to += zeros;
        done += zeros;
        if (zeros < (size_t)n)
            return SEARCH_FOUND;
    }
    return SEARCH_GOES_ON;
}

static bool reads_utf16(const struct tail *t, const struct tail_file *f)
{
    return tail_is_utf16(tail_encoding_of(t, f));
}

/* False: they are bytes like others. */
static bool skip_zeros(struct tail *t, struct tail_file *f, enum tail_step *step)
{
    uint64_t least = f->zeros_least > 0 ? f->zeros_least : BLOCK_BYTES, end;
    enum search found;

    if (f->zeros_to < f->read.offset)
        f->zeros_to = f->read.offset;
    found = search(f);
    if (found == SEARCH_GOES_ON) {
        *step = TAIL_STEP_MORE;
        return true;
    }
    end = found == SEARCH_END ? f->size : f->zeros_to;
    f->zeros_to = 0; /* what was zero may be written, the next time */
    if (end - f->read.offset < least)
        return false;
    *step = TAIL_STEP_END;
    if (found == SEARCH_END)
        return true;
    if (reads_utf16(t, f))
        end &= ~UINT64_C(1); /* half of a character can be zero */
    if (log_due(&t->zeros_log, t->now, TAIL_LOG_PERIOD))
        log_warn(
            "zeros at the beginning of a file are left out: nobody wrote them", KS("stream", t->env.stream),
            KS("path", f->path), KU("bytes", end - f->read.offset), KU("more_since_last", t->zeros_log.suppressed),
            KS("hint", "a program that appends (>> instead of >, O_APPEND) leaves none when its file is truncated"));
    metrics_add(t->env.metrics, METRIC_INPUT_SKIPPED_BYTES, end - f->read.offset);
    f->read.offset = f->read.whole.from = end;
    f->read.ahead = 0;
    f->safe = f->read;
    *step = TAIL_STEP_MORE;
    return true;
}

/* --- encoding ---------------------------------------------------------------------------------------------------- */

static const struct {
    enum tail_encoding encoding;
    struct slice bytes;
} marks[] = {
    {TAIL_UTF8, {"\xef\xbb\xbf", 3}},
    {TAIL_UTF16LE, {"\xff\xfe", 2}},
    {TAIL_UTF16BE, {"\xfe\xff", 2}},
};

/* Index of the mark that the head has; -1: none, -2: this may become one. */
static int find_mark(const struct tail *t, struct slice head)
{
    int found = -1;

    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        if (t->conf->encoding != TAIL_AUTO && t->conf->encoding != (int)marks[i].encoding)
            continue;
        if (slice_starts(head, marks[i].bytes))
            return (int)i;
        if (slice_starts(marks[i].bytes, head))
            found = -2;
    }
    return found;
}

enum tail_encoding tail_encoding_of(const struct tail *t, const struct tail_file *f)
{
    return t->conf->encoding == TAIL_AUTO ? f->read.encoding : (enum tail_encoding)t->conf->encoding;
}

enum tail_encoding tail_learn_encoding(const struct tail *t, const struct tail_file *f)
{
    char head[3];
    ssize_t n = tail_file_read(f, head, sizeof(head), 0);
    int i = n > 0 ? find_mark(t, slice_of(head, (size_t)n)) : -1;

    return i >= 0 ? marks[i].encoding : TAIL_UTF8;
}

/* --- at the end -------------------------------------------------------------------------------------------------- */

size_t tail_whole_lines(struct slice in, enum tail_encoding e)
{
    const char *newline;

    if (tail_is_utf16(e))
        return utf16_last_line(in, e == TAIL_UTF16BE);
    newline = in.n > 0 ? memrchr(in.p, '\n', in.n) : NULL;
    return newline ? (size_t)(newline - in.p) + 1 : 0;
}

struct tail_place tail_place_end(struct tail *t, struct tail_file *f, bool all)
{
    struct tail_place p = {.offset = f->size, .whole.from = f->size};
    char tail[TAIL_LAST_LINE_BYTES];
    size_t want = f->size < sizeof(tail) ? (size_t)f->size : sizeof(tail) - f->size % 2, n;
    ssize_t got;

    if (tail_files_open(&t->files, f) != 0)
        return p; /* unreadable for now: what is written from now on */
    got = pread(f->fd, tail, want, (off_t)(f->size - want));
    if (got < 0 || (size_t)got != want)
        return p;
    p.encoding = f->size > 0 ? tail_learn_encoding(t, f) : TAIL_AUTO;
    n = tail_whole_lines(slice_of(tail, want),
                         t->conf->encoding == TAIL_AUTO ? p.encoding : (enum tail_encoding)t->conf->encoding);
    p.mid_line = all ? n != want : n == 0 && want < f->size;
    if (p.mid_line)
        n = want;
    p.offset = p.whole.from = f->size - want;
    tail_place_advance(&p, slice_of(tail, 0), slice_of(tail, n));
    return p;
}

/* --- both -------------------------------------------------------------------------------------------------------- */

bool tail_begin(struct tail *t, struct tail_file *f, enum tail_step *step)
{
    char bytes[HEAD_BYTES];
    ssize_t n = tail_file_read(f, bytes, sizeof(bytes), f->read.offset);
    struct slice head = slice_of(bytes, n > 0 ? (size_t)n : 0);
    int i;

    if (n <= 0)
        return false; /* reading says why */
    if (bytes[0] == '\0' && skip_zeros(t, f, step))
        return true;
    i = f->read.offset == 0 ? find_mark(t, head) : -1;
    if (i == -2 && !f->flush) {
        *step = TAIL_STEP_WAIT;
        return true;
    }
    if (i >= 0 && slice_starts(head, slice_of("\xff\xfe\0\0", 4))) { /* as UTF-16's, but no text begins with a zero */
        if (log_due(&t->wide_log, t->now, TAIL_LOG_PERIOD))
            log_warn("file is in UTF-32, which is not read: its bytes are delivered as they are",
                     KS("stream", t->env.stream), KS("path", f->path), KU("more_since_last", t->wide_log.suppressed));
        i = -1;
    }
    if (i >= 0)
        f->read.encoding = marks[i].encoding;
    /* What was UTF-16 before it was truncated still is, if it has the zeros that its line ends have. */
    else if (!tail_is_utf16(f->read.encoding) || !memchr(head.p, '\0', head.n))
        f->read.encoding = TAIL_UTF8;
    f->safe.encoding = f->read.encoding;
    if (i < 0)
        return false;
    tail_place_advance(&f->read, SLICE(""), marks[i].bytes);
    f->safe = f->read;
    if (reads_utf16(t, f))
        log_info("file is in UTF-16: its lines are delivered in UTF-8", KS("stream", t->env.stream),
                 KS("path", f->path));
    *step = TAIL_STEP_MORE;
    return true;
}
