/* note_path.h -- where the note about one error object stands (progress_file.h): beside a file, or, for an object in
 * a bucket, in a folder here. Nothing is ever written into the bucket.
 *
 * In the folder a note is named END-HASH.redriven-to-STREAM: END are the last characters of the key, for people, HASH is
 * the SHA-256 of bucket and key. So every key, whatever bytes it has and however long it is, has one name of its own
 * that is a plain file's in that folder. Where the store is does not count: the same bucket may be reached by several
 * addresses, and the note holds the content's hash.
 *
 * Ownership  paths are the caller's to free. Threads: pure functions.
 */
#ifndef PIPELINE_REDRIVE_NOTE_PATH_H
#define PIPELINE_REDRIVE_NOTE_PATH_H

#include "pipeline/base/slice.h"

char *redrive_note_beside(const char *object_path, const char *stream);
char *redrive_note_in(const char *folder, const char *bucket, struct slice key, const char *stream);

#endif
