/* text.h -- bytes that people wrote: are they text, where is a place in them, and how to show a piece of them.
 *
 * Pure functions.
 */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

#include "pipeline/base/slice.h"

#include <stddef.h>

#define TEXT_SHOWN_MAX 64

/* Index of the first byte that is not UTF-8, or is a control character other than tab and line breaks; n when all is
 * well. */
size_t text_first_bad(struct slice s);

/* The line and column (1-based, columns count characters) of the byte at `index`. */
void text_place(struct slice s, size_t index, unsigned *line, unsigned *column);

/* Makes a message one line: control characters become spaces, and a character cut in half at the end goes. */
void text_one_line(char *s);

/* A short copy of `s` for messages: long text is cut with "...". Returns out. */
const char *text_show(const char *s, char out[TEXT_SHOWN_MAX + 4]);

#endif
