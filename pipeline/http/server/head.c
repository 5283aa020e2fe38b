/* libmicrohttpd 0.9.75 (Debian 12, Ubuntu 22.04) takes a header line with an empty name, or one that begins with a NUL, for the end
 * of the head: what stands behind it would run as a request of its own. It also cuts a value at a NUL and joins continued lines. None
 * of this is seen in the headers that it reports. But it leaves the head in one buffer, where it puts NULs over the ends of lines and
 * the colons, and reports pointers into it: so the guard can follow them from line to line and find each byte that was passed over.
 * Later versions are strict by themselves, and may lay things out otherwise.
 */
#include "pipeline/http/server/head.h"

#include <string.h>

#define LAX_VERSION "0.9.75"

static enum MHD_Result add(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    http_guard_header(cls, name, value ? value : "");
    return MHD_YES;
}

struct http_guard http_head_read(struct MHD_Connection *c, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct http_guard g = {0};

    if (info && strcmp(MHD_get_version(), LAX_VERSION) == 0)
        http_guard_lines(&g, version, method + info->header_size);
    MHD_get_connection_values(c, MHD_HEADER_KIND, add, &g);
    return g;
}
