/* Two small files that end with a checksum, written over in place and not synced by themselves. One that is torn or old is as good as
 * none: a mark only says what was safe at some time, and more may be safe by now. */
#include "pipeline/spool/format/mark.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/format/wire.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char MARK_MAGIC[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'M', 'K'};
static const char IDENTITY_MAGIC[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'I', 'D'};

enum {
    MARK_FORMAT = 1,
    MARK_BYTES = 72,
    IDENTITY_BYTES = 32,
    CRC_BYTES = 4, /* at the end of both */
};

/* --- small files that end with a checksum -------------------------------------------------------------------------- */

static uint32_t crc_of(const unsigned char *p, size_t n)
{
    return crc32c(0, slice_of((const char *)p, n - CRC_BYTES));
}

static bool read_file(const struct io_ops *ops, const char *dir, const char *name, unsigned char *in, size_t n)
{
    char *path = mem_printf("%s/%s", dir, name);
    struct err ignored;
    int fd = io_open(ops, path, O_RDONLY, 0, &ignored);
    bool whole =
        fd >= 0 && ops->pread(fd, in, n, 0) == (ssize_t)n && wire_load_u32(in + n - CRC_BYTES) == crc_of(in, n);

    if (fd >= 0)
        close(fd);
    mem_free(path);
    return whole;
}

static void write_file(const struct io_ops *ops, const char *dir, const char *name, unsigned char *out, size_t n)
{
    char *path = mem_printf("%s/%s", dir, name);
    struct iovec v = {out, n};
    struct err ignored;
    int fd = io_open_disposable(ops, path, O_WRONLY | O_CREAT, 0600, &ignored);

    wire_store_u32(out + n - CRC_BYTES, crc_of(out, n));
    if (fd >= 0) {
        ssize_t done = ops->pwritev(fd, &v, 1, 0);

        (void)done; /* torn: its checksum does not fit, and there is none */
        close(fd);
    }
    mem_free(path);
}

/* --- the mark ------------------------------------------------------------------------------------------------------- */

bool mark_read(const struct io_ops *ops, const char *dir, struct spool_mark *m)
{
    unsigned char in[MARK_BYTES];

    if (!read_file(ops, dir, "mark", in, sizeof(in)) || memcmp(in, MARK_MAGIC, sizeof(MARK_MAGIC)) != 0 ||
        wire_load_u32(in + 8) != MARK_FORMAT)
        return false;
    memcpy(m->identity, in + 16, sizeof(m->identity));
    m->segment = wire_load_u64(in + 32);
    m->size = wire_load_u64(in + 40);
    m->next = wire_load_u64(in + 48);
    m->waiting = wire_load_u64(in + 56);
    return m->next > 0 && m->next < UINT64_MAX && m->segment < UINT64_MAX && m->waiting < m->next;
}

void mark_write(const struct io_ops *ops, const char *dir, const struct spool_mark *m)
{
    unsigned char out[MARK_BYTES] = {0};

    memcpy(out, MARK_MAGIC, sizeof(MARK_MAGIC));
    wire_store_u32(out + 8, MARK_FORMAT);
    memcpy(out + 16, m->identity, sizeof(m->identity));
    wire_store_u64(out + 32, m->segment);
    wire_store_u64(out + 40, m->size);
    wire_store_u64(out + 48, m->next);
    wire_store_u64(out + 56, m->waiting);
    write_file(ops, dir, "mark", out, sizeof(out));
}

/* --- the identity --------------------------------------------------------------------------------------------------- */

bool identity_read(const struct io_ops *ops, const char *dir, unsigned char out[SEGMENT_IDENTITY_BYTES])
{
    unsigned char in[IDENTITY_BYTES];

    if (!read_file(ops, dir, "identity", in, sizeof(in)) || memcmp(in, IDENTITY_MAGIC, sizeof(IDENTITY_MAGIC)) != 0)
        return false;
    memcpy(out, in + sizeof(IDENTITY_MAGIC), SEGMENT_IDENTITY_BYTES);
    return true;
}

void identity_write(const struct io_ops *ops, const char *dir, const unsigned char identity[SEGMENT_IDENTITY_BYTES])
{
    unsigned char out[IDENTITY_BYTES] = {0};

    memcpy(out, IDENTITY_MAGIC, sizeof(IDENTITY_MAGIC));
    memcpy(out + sizeof(IDENTITY_MAGIC), identity, SEGMENT_IDENTITY_BYTES);
    write_file(ops, dir, "identity", out, sizeof(out));
}
