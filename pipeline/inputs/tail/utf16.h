/* utf16.h -- lines of UTF-16 made UTF-8. Pure; no I/O.
 *
 * A line ends with the character U+000A, not with a byte 0A, which is half of many others. What is no character (half a
 * pair) becomes U+FFFD. The limit of a record counts the bytes it has in UTF-8.
 */
#ifndef PIPELINE_INPUTS_TAIL_UTF16_H
#define PIPELINE_INPUTS_TAIL_UTF16_H

#include "pipeline/inputs/lines.h"

/* As much as may have to be looked at to find the end of a line that is no longer than a record may be. */
#define UTF16_READ_MAX (2 * LINES_READ_MAX)

/* What is known of the bytes behind the piece. */
enum utf16_end {
    UTF16_GOES_ON, /* they come with the next read */
    UTF16_ENDS,    /* there will be none: what is left is a line, and half a character U+FFFD */
    UTF16_RESTS,   /* none came for a while: what is left is a line, but half a character waits for its other half */
};

struct utf16_cut {
    enum lines_kind kind;
    size_t in;  /* bytes that were taken */
    size_t out; /* bytes that came of them */
};

/* What so many bytes can become, at most, in one go. */
size_t utf16_room(size_t in);
/* As lines_cut(), into `to`, which has utf16_room(in.n) bytes. */
struct utf16_cut utf16_lines(struct slice in, bool big_endian, enum utf16_end end, char *to);

/* Behind the last line end in `in`, which begins with a whole unit; 0: there is none. */
size_t utf16_last_line(struct slice in, bool big_endian);
bool utf16_is_newline(const char unit[2], bool big_endian);

#endif
