/* body.h -- the bytes of one object or request on their way out: in memory while small, in an unlinked file beyond.
 *
 * Not for records on their way in (see format/frame.h). The file lives in `tmp_dir` and has no name, so a crash leaves
 * nothing.
 *
 * A file that cannot be made or written is ERR_NOSPACE: the caller may go on with less. A body of more than BODY_BYTES_MAX is ERR_LIMIT.
 *
 * Ownership  one owner. Threads: one at a time; written by a worker, then read by the delivery loop.
 * Invariant  memory held <= memory_max between calls (body_space() may take one `want` more), whatever body_size() is.
 *            A failed call leaves what was there before readable.
 */
#ifndef PIPELINE_BASE_BODY_H
#define PIPELINE_BASE_BODY_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stddef.h>
#include <stdint.h>

struct body;

struct body *body_new(const char *tmp_dir, size_t memory_max);
void body_free(struct body **b);

/* A hint, before anything is added: it will come to hold about `n` bytes. */
void body_expect(struct body *b, uint64_t n);

MUST_CHECK int body_add(struct body *b, struct slice s, struct err *e);

/* At least `want` writable bytes at the end without a copy, then body_wrote(n <= what was returned in *room). NULL on
 * failure. */
MUST_CHECK char *body_space(struct body *b, size_t want, size_t *room, struct err *e);
MUST_CHECK int body_wrote(struct body *b, size_t n, struct err *e);

/* Moves what is in memory to the file: for a body that has to wait. Afterwards it holds no memory; when it fails, all is as
 * before. */
MUST_CHECK int body_stash(struct body *b, struct err *e);

uint64_t body_size(const struct body *b);
size_t body_memory(const struct body *b); /* bytes of memory it holds now */

/* The contents when they are in memory; {NULL, 0} when they are in the file. */
struct slice body_memory_slice(const struct body *b);

/* Copies up to n bytes from offset `at`; returns how many, 0 at the end, -1 on an I/O error. For both places. */
long body_read(const struct body *b, uint64_t at, char *out, size_t n, struct err *e);

#endif
