/* mem.h -- allocation that cannot fail, for sizes that configuration bounds.
 *
 * Out of memory here ends the process with a message: nothing acknowledged is lost by that (the spool is on disk), and
 * no caller carries an error path that nobody can test. Sizes that come from data use struct buf, which has a ceiling.
 */
#ifndef PIPELINE_BASE_MEM_H
#define PIPELINE_BASE_MEM_H

#include "pipeline/base/compiler.h"

#include <stddef.h>

void *mem_alloc(size_t size); /* zeroed */
void *mem_array(size_t count, size_t size);
void *mem_grow(void *p, size_t count, size_t size); /* realloc to count * size; the new part is not zeroed */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
void mem_free(void *p);
void mem_wipe(char *text); /* mem_free() of a text that may be a secret: nothing of it stays in memory. NULL: nothing */

/* Ends the process with the message above: for those who allocate by other means. */
NORETURN void mem_exhausted(void);

/* Frees *p (any pointer) and sets it to NULL. */
#define MEM_CLEAR(p) (mem_free((void *)(p)), (p) = NULL)

#endif
