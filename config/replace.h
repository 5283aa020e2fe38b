/* replace.h -- ${env:NAME}, ${env:NAME:-default} and ${file:PATH} inside one scalar.
 *
 * Works on parsed scalars only, so what comes out can never become YAML. `$${` stands for a literal `${`. The default
 * is taken when the variable is unset or empty, as in a shell. Files are relative to base_dir, at most REPLACE_FILE_MAX
 * bytes, and lose one line break at their end. Messages name the variable or the file, never a value.
 *
 * Ownership  base_dir is borrowed. Threads: the main thread (it reads the environment).
 * Invariant  all replacements of one document together give at most REPLACE_TOTAL_MAX bytes.
 */
#ifndef CONFIG_REPLACE_H
#define CONFIG_REPLACE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct replace {
    const char *base_dir;
    size_t given; /* bytes that replacements put in so far */
};

/* Appends `text` with everything replaced to `out`; *any tells whether a ${...} was. */
MUST_CHECK int replace_in(struct replace *r, struct slice text, struct buf *out, bool *any, struct err *e);

#endif
