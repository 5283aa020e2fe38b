#include "pipeline/spool/mark.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/wire.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char MARK_MAGIC[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'M', 'K'};

enum {
    MARK_FORMAT = 1,
    MARK_BYTES = 72,
    CRC_AT = 68,
};

static char *path_of(const char *dir)
{
    return mem_printf("%s/mark", dir);
}

static uint32_t crc_of(const unsigned char *p)
{
    return crc32c(0, slice_of((const char *)p, CRC_AT));
}

static bool decode(const unsigned char in[MARK_BYTES], struct spool_mark *m)
{
    if (memcmp(in, MARK_MAGIC, sizeof(MARK_MAGIC)) != 0 || wire_load_u32(in + 8) != MARK_FORMAT ||
        wire_load_u32(in + CRC_AT) != crc_of(in))
        return false;
    memcpy(m->identity, in + 16, sizeof(m->identity));
    m->segment = wire_load_u64(in + 32);
    m->size = wire_load_u64(in + 40);
    m->next = wire_load_u64(in + 48);
    m->waiting = wire_load_u64(in + 56);
    return m->next > 0 && m->next < UINT64_MAX && m->segment < UINT64_MAX && m->waiting < m->next;
}

bool mark_read(const struct file_ops *ops, const char *dir, struct spool_mark *m)
{
    char *path = path_of(dir);
    unsigned char in[MARK_BYTES];
    struct err ignored;
    int fd = file_open(ops, path, O_RDONLY, 0, &ignored);
    bool there = fd >= 0 && ops->pread(fd, in, sizeof(in), 0) == sizeof(in) && decode(in, m);

    if (fd >= 0)
        close(fd);
    mem_free(path);
    return there;
}

void mark_write(const struct file_ops *ops, const char *dir, const struct spool_mark *m)
{
    unsigned char out[MARK_BYTES] = {0};
    struct iovec v = {out, sizeof(out)};
    char *path = path_of(dir);
    struct err ignored;
    int fd = file_open_disposable(ops, path, O_WRONLY | O_CREAT, 0600, &ignored);

    memcpy(out, MARK_MAGIC, sizeof(MARK_MAGIC));
    wire_store_u32(out + 8, MARK_FORMAT);
    memcpy(out + 16, m->identity, sizeof(m->identity));
    wire_store_u64(out + 32, m->segment);
    wire_store_u64(out + 40, m->size);
    wire_store_u64(out + 48, m->next);
    wire_store_u64(out + 56, m->waiting);
    wire_store_u32(out + CRC_AT, crc_of(out));
    if (fd >= 0) {
        ssize_t n = ops->pwritev(fd, &v, 1, 0);

        (void)n; /* torn: its checksum does not fit, and there is none */
        close(fd);
    }
    mem_free(path);
}
