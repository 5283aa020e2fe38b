/* One struct, two states. In memory, `tail` is the whole body. Once that would pass memory_max, everything goes to a
 * file and `tail` becomes the write buffer: the bytes behind `in_file`. The buffer keeps many small writes from
 * becoming as many system calls. */
#include "pipeline/base/body.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct body {
    char *tmp_dir;
    size_t memory_max;
    int fd;           /* -1 while in memory */
    uint64_t in_file; /* bytes written to the file */
    struct buf tail;  /* the bytes behind those */
};

struct body *body_new(const char *tmp_dir, size_t memory_max)
{
    struct body *b = mem_alloc(sizeof(*b));

    b->tmp_dir = mem_strdup(tmp_dir);
    b->memory_max = memory_max;
    b->fd = -1;
    buf_init(&b->tail, memory_max);
    return b;
}

void body_free(struct body **b)
{
    if (!*b)
        return;
    if ((*b)->fd >= 0)
        close((*b)->fd);
    buf_release(&(*b)->tail);
    mem_free((*b)->tmp_dir);
    MEM_CLEAR(*b);
}

void body_expect(struct body *b, uint64_t n)
{
    if (n <= b->memory_max)
        buf_expect(&b->tail, (size_t)n);
}

/* How many bytes `tail` may hold between calls. */
static size_t tail_max(const struct body *b)
{
    return b->fd < 0 || b->memory_max < BODY_WRITE_BUFFER_MAX ? b->memory_max : BODY_WRITE_BUFFER_MAX;
}

/* NFS and some FUSE file systems have no O_TMPFILE: there the file has a name for the moment between two calls. */
static int open_unlinked(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char *name;

    if (fd >= 0)
        return fd;
    name = mem_printf("%s/sluice-body-XXXXXX", dir);
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    mem_free(name);
    return fd;
}

/* Whatever the disk says: who takes less needs no file. */
static int no_space(struct err *e, const char *doing, const char *dir)
{
    err_errno(e, "%s a temporary file in %s", doing, dir);
    e->code = ERR_NOSPACE;
    return -1;
}

/* What will be in it is bounded, wherever it lies. */
static int check_size(const struct body *b, size_t more, struct err *e)
{
    if (more <= BODY_BYTES_MAX && body_size(b) <= BODY_BYTES_MAX - more)
        return 0;
    return err_set(e, ERR_LIMIT, "more than %llu MiB in one body", (unsigned long long)(BODY_BYTES_MAX / MIB));
}

static int write_all(struct body *b, struct slice s, struct err *e)
{
    struct iovec v = {(void *)(uintptr_t)s.p, s.n};

    if (io_write_at(&io_ops_real, b->fd, &v, 1, b->in_file) < 0)
        return no_space(e, "write to", b->tmp_dir);
    b->in_file += s.n;
    return 0;
}

/* Everything that is in memory goes to the file. What came before a failure stays readable: in_file moves last. */
static int flush(struct body *b, struct err *e)
{
    if (b->fd < 0)
        b->fd = open_unlinked(b->tmp_dir);
    if (b->fd < 0)
        return no_space(e, "create", b->tmp_dir);
    if (write_all(b, buf_slice(&b->tail), e) < 0)
        return -1;
    buf_clear(&b->tail);
    if (b->tail.cap > tail_max(b))
        buf_release(&b->tail);
    b->tail.max = tail_max(b);
    return 0;
}

char *body_space(struct body *b, size_t want, size_t *room, struct err *e)
{
    want = want ? want : 1;
    if (check_size(b, want, e) < 0)
        return NULL;
    if (want > tail_max(b) || b->tail.n > tail_max(b) - want) {
        if (flush(b, e) < 0)
            return NULL;
        if (want > b->tail.max)
            b->tail.max = want; /* until body_wrote() */
    }
    if (buf_reserve(&b->tail, want) < 0) {
        err_set(e, ERR_NOMEM, "no memory for %zu bytes of a body", want);
        return NULL;
    }
    *room = b->tail.cap - b->tail.n;
    return b->tail.p + b->tail.n;
}

int body_wrote(struct body *b, size_t n, struct err *e)
{
    assert(n <= b->tail.cap - b->tail.n);
    b->tail.n += n;
    return b->tail.cap > tail_max(b) ? flush(b, e) : 0;
}

int body_add(struct body *b, struct slice s, struct err *e)
{
    char *p;
    size_t room;

    if (s.n == 0)
        return 0;
    if (check_size(b, s.n, e) < 0)
        return -1;
    if (s.n > tail_max(b) || (b->fd >= 0 && s.n == tail_max(b)))
        return flush(b, e) < 0 ? -1 : write_all(b, s, e);
    p = body_space(b, s.n, &room, e);
    if (!p)
        return -1;
    memcpy(p, s.p, s.n);
    return body_wrote(b, s.n, e);
}

int body_stash(struct body *b, struct err *e)
{
    if (b->tail.n > 0 && flush(b, e) < 0)
        return -1;
    buf_release(&b->tail);
    return 0;
}

uint64_t body_size(const struct body *b)
{
    return b->in_file + b->tail.n;
}

size_t body_memory(const struct body *b)
{
    return b->tail.cap;
}

struct slice body_memory_slice(const struct body *b)
{
    return b->fd < 0 ? buf_slice(&b->tail) : (struct slice){NULL, 0};
}

static size_t at_most(uint64_t have, size_t n)
{
    return have < n ? (size_t)have : n;
}

long body_read(const struct body *b, uint64_t at, char *out, size_t n, struct err *e)
{
    size_t done = 0, got;

    if (at >= body_size(b))
        return 0;
    n = at_most(body_size(b) - at, n);
    if (at < b->in_file) {
        done = at_most(b->in_file - at, n);
        if (io_read_at(&io_ops_real, b->fd, out, done, at, &got) < 0)
            return err_errno(e, "read a temporary file in %s", b->tmp_dir);
        if (got < done)
            return err_set(e, ERR_IO, "a temporary file in %s is shorter than what was written to it", b->tmp_dir);
    }
    if (done < n)
        memcpy(out + done, b->tail.p + (at + done - b->in_file), n - done);
    return (long)n;
}
