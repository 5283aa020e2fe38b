/* In memory there is one byte for each line: put back or not. In the file there are ranges, so that an object of a
 * million lines that was put back in order is one word. Size and hash of the object stand before them: numbers of
 * lines say nothing about another content. The last line shows that nothing was cut off. */
#include "pipeline/redrive/progress_file.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FIRST_LINE "sluice-redrive 1\n"
#define LAST_LINE  "end\n"
#define END_MAX    80 /* with the hash, a stream's name and ".tmp" below the 255 bytes that a file's name may have */

struct redrive_state {
    char *path, *folder;
    int lock;                     /* the folder, locked; -1: not */
    char object[64 + SHA256_HEX]; /* the line that tells this content from others */
    unsigned char *done;          /* a byte per line, from 1 */
    uint64_t lines;               /* bytes of it */
};

/* --- where it stands ----------------------------------------------------------------------------------------------- */

char *redrive_note_beside(const char *object_path, const char *stream)
{
    const char *slash = strrchr(object_path, '/'), *name = slash ? slash + 1 : object_path;

    return mem_printf("%.*s.%s.redriven-to-%s", (int)(name - object_path), object_path, name, stream);
}

/* The last characters of the key's last part, those that are special replaced, and never a dot in front. */
static void end_of_key(struct slice key, char out[END_MAX + 1])
{
    size_t from = key.n, n = 0;

    while (from > 0 && key.n - from < END_MAX && key.p[from - 1] != '/')
        from--;
    for (size_t i = from; i < key.n; i++) {
        char c = key.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        out[n++] = (char)(plain || (c && strchr("-_.", c)) ? c : '_');
    }

    if (n == 0)
        out[n++] = '_';
    if (out[0] == '.')
        out[0] = '_';
    out[n] = '\0';
}

char *redrive_note_in(const char *folder, const char *bucket, struct slice key, const char *stream)
{
    unsigned char hash[SHA256_BYTES];
    char hex[SHA256_HEX], end[END_MAX + 1];
    struct sha256 *sha = sha256_new();

    sha256_begin(sha);
    sha256_add(sha, slice_of(bucket, strlen(bucket) + 1)); /* no bucket's name has a NUL */
    sha256_add(sha, key);
    sha256_end(sha, hash);
    sha256_free(&sha);
    end_of_key(key, end);
    return mem_printf("%s/%s-%s.redriven-to-%s", folder, end, hex_encode(hash, sizeof(hash), hex), stream);
}

/* --- what is done --------------------------------------------------------------------------------------------------- */

bool redrive_state_is_done(const struct redrive_state *s, uint64_t line)
{
    return line < s->lines && s->done[line];
}

void redrive_state_done(struct redrive_state *s, uint64_t line)
{
    uint64_t more = s->lines ? s->lines * 2 : 1024;

    if (line >= s->lines) {
        more = more > line ? more : line + 1;
        s->done = mem_grow(s->done, more, 1);
        memset(s->done + s->lines, 0, more - s->lines);
        s->lines = more;
    }
    s->done[line] = 1;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int read_all(const char *path, struct buf *out, struct err *e)
{
    int fd = io_open(&io_ops_real, path, O_RDONLY, 0, e);
    int rc;

    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    rc = io_read_all(fd, out) < 0 ? err_errno(e, "cannot read %s", path) : 0;
    close(fd);
    return rc;
}

/* "1-500 503 510-1000" */
static bool read_ranges(struct redrive_state *s, char *text)
{
    char *keep, *rest;

    for (char *w = strtok_r(text, " ", &keep); w; w = strtok_r(NULL, " ", &keep)) {
        uint64_t first = strtoull(w, &rest, 10), last = first;

        if (*rest == '-')
            last = strtoull(rest + 1, &rest, 10);
        if (*rest || first == 0 || last < first || last > REDRIVE_STATE_LINES_MAX)
            return false;
        for (uint64_t i = first; i <= last; i++)
            redrive_state_done(s, i);
    }
    return true;
}

static bool take(char **at, const char *expected)
{
    size_t n = strlen(expected);

    if (strncmp(*at, expected, n) != 0)
        return false;
    *at += n;
    return true;
}

static int parse(struct redrive_state *s, char *text, struct err *e)
{
    char *at = text, *end;

    if (!take(&at, FIRST_LINE) || strncmp(at, "object ", 7) != 0)
        return err_set(e, ERR_FORMAT, "%s is not what an earlier redrive wrote", s->path);
    if (!take(&at, s->object))
        return err_set(
            e, ERR_FORMAT,
            "the object has changed since a part of it was redriven; look at it, then delete %s to begin anew",
            s->path);
    end = strchr(at, '\n');
    if (!take(&at, "done") || !end || strcmp(end + 1, LAST_LINE) != 0)
        return err_set(e, ERR_FORMAT, "%s is damaged", s->path);
    *end = '\0';
    return read_ranges(s, at) ? 0 : err_set(e, ERR_FORMAT, "%s is damaged", s->path);
}

int redrive_state_open(struct redrive_state **out, const char *path, const struct redrive_content *content, bool writes,
                       struct err *e)
{
    struct redrive_state *s = mem_alloc(sizeof(*s));
    const char *slash = strrchr(path, '/');
    char hex[SHA256_HEX];
    struct buf text;
    int rc;

    s->path = mem_strdup(path);
    s->folder = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup("./");
    /* Waits for another redrive that is at an object of the same folder. File systems that know no locks have none. */
    s->lock = writes ? open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    while (s->lock >= 0 && flock(s->lock, LOCK_EX) < 0 && errno == EINTR)
        ;

    snprintf(s->object, sizeof(s->object), "object %" PRIu64 " %s\n", content->size,
             hex_encode(content->sha256, SHA256_BYTES, hex));
    buf_init(&text, REDRIVE_STATE_FILE_MAX);
    rc = read_all(s->path, &text, e);
    if (rc == 0 && text.n > 0)
        rc = buf_add_char(&text, '\0') < 0 ? err_set(e, ERR_LIMIT, "%s is too large", s->path) : parse(s, text.p, e);
    buf_release(&text);
    if (rc < 0)
        redrive_state_close(&s);
    else
        *out = s;
    return rc;
}

void redrive_state_close(struct redrive_state **sp)
{
    struct redrive_state *s = *sp;

    if (!s)
        return;
    if (s->lock >= 0)
        close(s->lock);
    mem_free(s->path);
    mem_free(s->folder);
    mem_free(s->done);
    mem_free(s);
    *sp = NULL;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static int add_ranges(const struct redrive_state *s, struct buf *out)
{
    for (uint64_t i = 1; i < s->lines; i++) {
        uint64_t first = i;

        if (!s->done[i])
            continue;
        while (i + 1 < s->lines && s->done[i + 1])
            i++;
        if (buf_printf(out, " %" PRIu64, first) < 0 || (i > first && buf_printf(out, "-%" PRIu64, i) < 0))
            return -1;
    }
    return 0;
}

static int write_synced(const char *path, struct slice text, struct err *e)
{
    int fd, rc = 0;

    unlink(path); /* of a run that was cut short */
    fd = io_open(&io_ops_real, path, O_WRONLY | O_CREAT | O_EXCL, 0600, e);
    if (fd < 0)
        return -1;
    if (io_write_all(fd, text) < 0)
        rc = err_errno(e, "cannot write %s", path);
    else if (fsync(fd) < 0)
        rc = err_errno(e, "cannot sync %s", path);
    close(fd);
    return rc;
}

int redrive_state_save(const struct redrive_state *s, struct err *e)
{
    char *tmp = mem_printf("%s.tmp", s->path);
    struct buf text;
    int rc;

    buf_init(&text, REDRIVE_STATE_FILE_MAX);
    if (buf_printf(&text, FIRST_LINE "%sdone", s->object) < 0 || add_ranges(s, &text) < 0 ||
        buf_add_str(&text, "\n" LAST_LINE) < 0)
        rc = err_set(e, ERR_LIMIT, "%s would be too large", s->path);
    else
        rc = write_synced(tmp, buf_slice(&text), e);
    if (rc == 0 && rename(tmp, s->path) < 0)
        rc = err_errno(e, "cannot replace %s", s->path);
    if (rc == 0)
        rc = io_sync_folder(&io_ops_real, s->folder, e);
    buf_release(&text);
    mem_free(tmp);
    return rc;
}
