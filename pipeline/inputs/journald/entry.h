/* entry.h -- one entry of the journal as a JSON object, and what its cursor says. Pure; no I/O.
 *
 *     {"__CURSOR":"s=..","__REALTIME_TIMESTAMP":"1795817092000000","__MONOTONIC_TIMESTAMP":"81","_HOSTNAME":"web-1","MESSAGE":"text"}
 *
 * as `journalctl -o json` has it, times in microseconds and as strings, but for
 *
 *   - a value that is not UTF-8: its text has U+FFFD for each byte that is none, and NAME_base64 beside it has all of its bytes. So a
 *     member's type does not depend on what somebody logged, and nothing is lost. journalctl writes an array of numbers there;
 *   - a field that is there several times is an array, as there; when one of its values is not UTF-8, NAME_base64 is an array of all;
 *   - an entry that would be longer than a record may be: the fields that do not fit are left out, and "__OMITTED" names them.
 *
 * Ownership  fields are copied in; entry_release(). Threads: one at a time.
 */
#ifndef PIPELINE_INPUTS_JOURNALD_ENTRY_H
#define PIPELINE_INPUTS_JOURNALD_ENTRY_H

#include "config/bind.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct entry_field {
    size_t at, name_n, value_n; /* in `bytes`: its name, and the value behind that */
};

struct entry {
    struct buf bytes, out;
    struct entry_field v[JOURNALD_FIELDS_MAX];
    size_t n;
    uint64_t left_out; /* of the entry that was written last */
    size_t omitted_n;  /* of `omitted` */
    char omitted[JOURNALD_OMITTED_BYTES];
};

void entry_init(struct entry *e);
void entry_release(struct entry *e);

void entry_begin(struct entry *e);
/* NAME=value. What finds no room is left out. `cut`: it is only the beginning of the value, which is left out. */
void entry_add(struct entry *e, struct slice field, bool cut);
/* The object, until the next call. `only`: the names that are wanted; none: all. */
struct slice entry_write(struct entry *e, const struct cfg_strings *only);

/* A cursor: s=ID;i=NUMBER;b=BOOT;m=MONOTONIC;t=REALTIME;x=CHECK, all but the ids in hexadecimal. */
struct entry_cursor {
    char log[33];    /* whose numbers they are: of one journald, over rotations */
    uint64_t number; /* counts its entries */
    uint64_t time;   /* realtime, microseconds */
};
MUST_CHECK bool entry_cursor_parse(const char *cursor, struct entry_cursor *out);

/* journald copies entries, from memory to the disk when that is there: the copy has another number, of another log, and is the same otherwise. */
bool entry_cursor_same(const char *cursor, const char *other);

/* How many entries stood between the two, at most. False: that cannot be said, they are of two logs. */
MUST_CHECK bool entry_cursor_gap(const struct entry_cursor *last, const struct entry_cursor *next, uint64_t *gap);

#endif
