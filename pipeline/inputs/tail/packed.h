/* packed.h -- a compressed file (gzip, zstd) as if it were plain: bytes of its text at any offset. In order that is cheap, and so is a little back;
 * farther back it is unpacked from its beginning again. As much memory for a gigabyte as for a kilobyte.
 *
 *     packed_measure()  looks through all of it, some MiB with each call: only then is it known to be whole, and how long its text is
 *     packed_seek()     likewise goes to where it is read next
 *     packed_read()     as pread(2)
 *
 * Ownership  packed_free(); descriptors are borrowed for the call. Threads: one at a time.
 */
#ifndef PIPELINE_INPUTS_TAIL_PACKED_H
#define PIPELINE_INPUTS_TAIL_PACKED_H

#include "pipeline/base/budget.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct packed;

/* `windows`: see unpack_share(); NULL: they are not counted. */
struct packed *packed_new(struct budget *windows);
void packed_free(struct packed **p);

enum packed_answer {
    PACKED_DONE,
    PACKED_AGAIN,     /* the same call once more */
    PACKED_CUT,       /* it ends before its end: who writes it may not be ready */
    PACKED_DAMAGED,   /* what is there is not as it should be, or cannot be read */
    PACKED_TOO_LARGE, /* what it holds is more than anybody may have meant */
    PACKED_WINDOW,    /* it cannot be unpacked with so little memory */
    PACKED_LATER,     /* the same call, when others have given some of the memory for windows back */
};

/* `file_bytes`: as it lies on the disk. *e: what is wrong, of all but DONE, AGAIN and LATER. */
enum packed_answer packed_measure(struct packed *p, int fd, uint64_t file_bytes, uint64_t *size, struct err *e);
enum packed_answer packed_seek(struct packed *p, int fd, uint64_t at, struct err *e);
/* The last call would have had a window that others have. */
bool packed_waits(const struct packed *p);
ssize_t packed_read(struct packed *p, int fd, void *to, size_t n, uint64_t at);

#endif
