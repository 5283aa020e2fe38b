#include "pipeline/base/mem.h"
#include "pipeline/base/limits.h"

#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void mem_exhausted(void)
{
    static const char text[] = "level=error msg=\"out of memory, ending\" hint=\"what was acknowledged is safe in the "
                               "spool; give the process more memory and start it again\"\n";

    struct pollfd err = {.fd = STDERR_FILENO, .events = POLLOUT};

    /* Nobody may be reading it, and the end must not wait for that. */
    if (poll(&err, 1, MEM_SAY_IT_MS) == 1 && write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
        abort();
    abort();
}

void *mem_alloc(size_t size)
{
    return mem_array(1, size);
}

void *mem_array(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);

    if (!p)
        mem_exhausted();
    return p;
}

void *mem_grow(void *p, size_t count, size_t size)
{
    void *q;

    if (size && count > SIZE_MAX / size)
        mem_exhausted();
    q = realloc(p, count && size ? count * size : 1);
    if (!q)
        mem_exhausted();
    return q;
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t n)
{
    char *p = mem_alloc(n + 1);

    memcpy(p, s, n);
    return p;
}

char *mem_printf(const char *fmt, ...)
{
    char *p = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&p, fmt, ap) < 0)
        mem_exhausted();
    va_end(ap);
    return p;
}

void mem_wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void mem_free(void *p)
{
    free(p);
}
