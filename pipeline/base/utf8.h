/* utf8.h -- is this UTF-8? By the table of RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
 *
 * Threads: pure functions.
 */
#ifndef PIPELINE_BASE_UTF8_H
#define PIPELINE_BASE_UTF8_H

#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define UTF8_MAX         4              /* bytes of one code point */
#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The length (1 to 4) of the code point that s begins with; 0 when it does not begin with one. */
size_t utf8_first(struct slice s);
/* How many bytes from the beginning of s are whole code points above U+007F: text that is not ASCII seldom stands
 * alone. */
size_t utf8_run(struct slice s);
bool utf8_is(struct slice s); /* all of it */
/* Writes the code point (not a surrogate, <= 0x10ffff); returns its length. */
size_t utf8_put(uint32_t code_point, char out[UTF8_MAX]);

#endif
