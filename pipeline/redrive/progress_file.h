/* progress_file.h -- what of one error object was put back already, in a small file, so that a redrive can be interrupted,
 * and run again, without doubling.
 *
 *     sluice-redrive 1
 *     object 52311 <sha256 of the object>
 *     done 1-500 503 510-1000
 *     end
 *
 * It stands beside a file; for an object in a bucket, in a folder here: nothing is ever written into the bucket. Each stream has
 * its own. Replaced as a whole (written beside, synced, renamed), so it is always one or the other state.
 *
 * Ownership  redrive_state_open() to redrive_state_close(); paths are the caller's to free. Threads: one.
 */
#ifndef PIPELINE_REDRIVE_PROGRESS_FILE_H
#define PIPELINE_REDRIVE_PROGRESS_FILE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

char *redrive_note_beside(const char *object_path, const char *stream);

/* FOLDER/END-HASH.redriven-to-STREAM: END are the last characters of the key, for people, HASH is the SHA-256 of bucket and
 * key. So every key, whatever bytes it has and however long it is, has one name of its own that is a plain file's. Where the
 * store is does not count: the same bucket may be reached by several addresses, and the note holds the content's hash. */
char *redrive_note_in(const char *folder, const char *bucket, struct slice key, const char *stream);

struct redrive_state;

/* Tells one content from others. */
struct redrive_content {
    uint64_t size;
    unsigned char sha256[SHA256_BYTES];
};

/* Reads what an earlier run left at `path` for an object of this content. -1: that cannot be read, or
 * speaks of another content. Who `writes` waits for another one that is at an object of the same folder, so two redrives at once
 * take turns. */
MUST_CHECK int redrive_state_open(struct redrive_state **s, const char *path, const struct redrive_content *content,
                                  bool writes, struct err *e);
void redrive_state_close(struct redrive_state **s);

/* Lines count from 1. */
bool redrive_state_is_done(const struct redrive_state *s, uint64_t line);
void redrive_state_done(struct redrive_state *s, uint64_t line);
/* Makes it durable. */
MUST_CHECK int redrive_state_save(const struct redrive_state *s, struct err *e);

#endif
