#include "pipeline/http/server/gone.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/server/answer.h"

#include <string.h>

static void drop(struct http_gone *g, size_t at)
{
    mem_free(g->list[at].path);
    g->list[at] = g->list[--g->count];
}

void http_gone_add(struct http_gone *g, const char *path, nsec mono_now)
{
    for (size_t i = g->count; i > 0; i--)
        if (mono_now >= g->list[i - 1].until || strcmp(g->list[i - 1].path, path) == 0)
            drop(g, i - 1);
    g->list = mem_grow(g->list, g->count + 1, sizeof(*g->list));
    g->list[g->count++] = (struct http_gone_path){mem_strdup(path), mono_now + HTTP_GONE_TIME};
}

size_t http_gone_find(const struct http_gone *g, const char *url, nsec mono_now)
{
    size_t longest = 0;

    for (size_t i = 0; i < g->count; i++) {
        const char *path = g->list[i].path;
        size_t n = strlen(path);
        bool fits = path[n - 1] == '/' ? strncmp(url, path, n) == 0 : strcmp(url, path) == 0;

        if (fits && n > longest && mono_now < g->list[i].until)
            longest = n;
    }
    return longest;
}

void http_gone_release(struct http_gone *g)
{
    while (g->count > 0)
        drop(g, g->count - 1);
    MEM_CLEAR(g->list);
}

enum MHD_Result http_gone_answer(struct MHD_Connection *c, bool comes_back)
{
    const struct http_answer a = {
        .status = comes_back ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_NOT_FOUND,
        .type = "text/plain; charset=utf-8",
        .text = comes_back ? SLICE("this has just begun anew, or was taken away: send it again\n")
                           : SLICE("nothing is here\n"),
        .retry_after = "1",
        .realm = "",
        .close = true,
    };

    return http_answer(&(struct http_exchange){.connection = c}, &a);
}
