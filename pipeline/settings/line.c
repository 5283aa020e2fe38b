#include "pipeline/settings/fields.h"

#include <stdio.h>
#include <string.h>

struct settings_line settings_line(struct srcpos there, struct srcpos here)
{
    const char *slash = there.file ? strrchr(there.file, '/') : NULL;
    struct settings_line l;

    if (!there.file || !here.file || strcmp(there.file, here.file) == 0)
        snprintf(l.text, sizeof(l.text), "line %u", there.line);
    else
        snprintf(l.text, sizeof(l.text), "line %u of %s", there.line, slash ? slash + 1 : there.file);
    return l;
}
