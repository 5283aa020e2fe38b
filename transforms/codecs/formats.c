#include "pipeline/base/compiler.h"
#include "transforms/codecs/format.h"

#include <string.h>

extern const struct format_ops format_lines, format_raw, format_json_array;

static const struct format_ops *const FORMATS[] = {
    &format_lines,
    &format_raw,
    &format_json_array,
};

const struct format_ops *format_at(size_t index)
{
    return index < ARRAY_LEN(FORMATS) ? FORMATS[index] : NULL;
}

const struct format_ops *format_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(FORMATS); i++)
        if (strcmp(FORMATS[i]->name, name) == 0)
            return FORMATS[i];
    return NULL;
}
