#include "pipeline/redrive/note_path.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/mem.h"

#include <stdbool.h>
#include <string.h>

#define END_MAX 80 /* with the hash, a stream's name and ".tmp" below the 255 bytes that a file's name may have */

char *redrive_note_beside(const char *object_path, const char *stream)
{
    const char *slash = strrchr(object_path, '/'), *name = slash ? slash + 1 : object_path;

    return mem_printf("%.*s.%s.redriven-to-%s", (int)(name - object_path), object_path, name, stream);
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-_.", c));
}

/* The last characters of the key's last part, those that are special replaced, and never a dot in front. */
static void end_of_key(struct slice key, char out[END_MAX + 1])
{
    size_t from = key.n, n = 0;

    while (from > 0 && key.n - from < END_MAX && key.p[from - 1] != '/')
        from--;
    for (size_t i = from; i < key.n; i++)
        out[n++] = (char)(is_plain(key.p[i]) ? key.p[i] : '_');
    if (n == 0)
        out[n++] = '_';
    if (out[0] == '.')
        out[0] = '_';
    out[n] = '\0';
}

char *redrive_note_in(const char *folder, const char *bucket, struct slice key, const char *stream)
{
    unsigned char hash[SHA256_BYTES];
    char hex[SHA256_HEX], end[END_MAX + 1];
    struct sha256 *sha = sha256_new();

    sha256_begin(sha);
    sha256_add(sha, slice_of(bucket, strlen(bucket) + 1)); /* no bucket's name has a NUL */
    sha256_add(sha, key);
    sha256_end(sha, hash);
    sha256_free(&sha);
    end_of_key(key, end);
    return mem_printf("%s/%s-%s.redriven-to-%s", folder, end, hex_encode(hash, sizeof(hash), hex), stream);
}
