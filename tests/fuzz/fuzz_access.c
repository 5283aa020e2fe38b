/* fuzz_access.c -- what anybody may show to be let in: no crash, and nobody is let in who does not know one of the secrets. */
#include "pipeline/base/base64.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/slice.h"
#include "pipeline/http/server/access.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN "0123456789abcdef"
#define USER  "ann:pass:word"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *tokens[] = {(char *)(uintptr_t)TOKEN}, *users[] = {(char *)(uintptr_t)USER};

/* The last word of it is the secret, or hides it. */
static bool knows(const char *shown)
{
    struct slice all = slice_trim(slice_str(shown));
    const char *space = memrchr(all.p, ' ', all.n);
    struct slice coded = slice_trim(space ? slice_from(all, (size_t)(space + 1 - all.p)) : all);
    char *plain = mem_alloc(base64_decoded_max(coded.n) + BASE64_SLACK);
    long n = base64_decode(coded, plain);
    bool so = strstr(shown, TOKEN) != NULL;

    if (n > 0)
        so = so || slice_is(slice_of(plain, (size_t)n), USER) ||
             memmem(plain, (size_t)n, ":" TOKEN, sizeof(":" TOKEN) - 1) != NULL;
    mem_free(plain);
    return so;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_access_conf conf = {.tokens = {tokens, 1}, .users = {users, 1}};
    struct http_access *a = http_access_new(&conf, NULL);
    char *shown = mem_strndup((const char *)data, size);

    if (http_access_ask(a, shown, NULL) == HTTP_ACCESS_YES && !knows(shown))
        abort();
    if (http_access_ask(a, NULL, shown) == HTTP_ACCESS_YES && strcmp(shown, TOKEN) != 0)
        abort();
    mem_free(shown);
    http_access_free(&a);
    return 0;
}
