/* Rules for partition keys. They hold for scripts and queries alike, so that whoever puts a value into a name need not ask where it
 * came from. */
#include "pipeline/base/partition_key.h"

#include "pipeline/base/key_set.h"
#include "pipeline/base/utf8.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_OF(number)    TEXT_OF_IT(number)
#define TEXT_OF_IT(number) #number

const char *partition_name_error(struct slice name)
{
    if (name.n < 1 || name.n > PARTITION_NAME_MAX)
        return "has 1 to " TEXT_OF(PARTITION_NAME_MAX) " characters";
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum((unsigned char)name.p[i]) && (name.p[i] == '\0' || !strchr("_-.", name.p[i])))
            return "has letters, digits and _-. only";
    return NULL;
}

const char *partition_value_error(struct slice value, char why[PARTITION_WHY_MAX])
{
    bool dots = true;

    if (value.n < 1 || value.n > PARTITION_VALUE_MAX) {
        snprintf(why, PARTITION_WHY_MAX, "has 1 to %d bytes, not %zu", PARTITION_VALUE_MAX, value.n);
        return why;
    }
    while (value.n > 0) {
        size_t n = utf8_first(value);

        if (n == 0 || (unsigned char)value.p[0] < ' ' || value.p[0] == 0x7f)
            return "is UTF-8 text without control characters";
        dots = dots && value.p[0] == '.';
        value = slice_of(value.p + n, value.n - n);
    }
    return dots ? "is not made of dots only" : NULL;
}

static bool stands_for_itself(char c, enum partition_form form)
{
    switch (form) {
    case PARTITION_RAW:
        return true;
    case PARTITION_FOLDER:
        return c != '/' && c != '%';
    default:
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
               c == '_' || c == '~';
    }
}

int partition_value_add(struct slice value, enum partition_form form, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; i < value.n && rc == 0; i++)
        rc = stands_for_itself(value.p[i], form) ? buf_add_char(out, value.p[i])
                                                 : buf_printf(out, "%%%02X", (unsigned char)value.p[i]);
    return rc;
}

size_t partition_value_length(struct slice value, enum partition_form form)
{
    size_t n = 0;

    for (size_t i = 0; i < value.n; i++)
        n += stands_for_itself(value.p[i], form) ? 1 : 3;
    return n;
}

bool partition_time(struct slice set, int64_t *unix_seconds)
{
    struct slice value;
    char text[24];

    if (!key_set_find(set, SLICE(PARTITION_TIME_NAME), &value) || value.n >= sizeof(text))
        return false;
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    *unix_seconds = strtoll(text, NULL, 10);
    return true;
}
