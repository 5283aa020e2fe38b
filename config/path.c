#include "config/path.h"

#include "pipeline/base/mem.h"

#include <stdbool.h>
#include <string.h>

/* Removes `.` parts and empty ones in place. */
static void clean(char *path)
{
    bool absolute = path[0] == '/';
    char *to = path + (absolute ? 1 : 0), *begin = to;

    for (const char *from = path; *from;) {
        size_t n = strcspn(from, "/");

        if (n > 0 && !(n == 1 && from[0] == '.')) {
            if (to > begin)
                *to++ = '/';
            memmove(to, from, n);
            to += n;
        }
        from += n + (from[n] == '/' ? 1 : 0);
    }
    if (to == path)
        *to++ = '.';
    *to = '\0';
}

char *path_below(const char *base_dir, const char *path)
{
    char *whole = path[0] == '/' || !base_dir ? mem_printf("%s", path) : mem_printf("%s/%s", base_dir, path);

    clean(whole);
    return whole;
}

char *path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? mem_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strdup(".");
}
