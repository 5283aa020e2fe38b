#include "pipeline/admin/whereabouts.h"

#include "pipeline/admin/own_file.h"
#include "pipeline/base/io.h"
#include "pipeline/base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ADDRESS_MAX 16384 /* of the file: two paths, and an address */

static char *file_of(const char *data_dir)
{
    return mem_printf("%s/admin.address", data_dir);
}

static void add_line(char **text, const char *name, const char *value)
{
    char *longer;

    if (!value)
        return;
    longer = mem_printf("%s%s %s\n", *text, name, value);
    mem_free(*text);
    *text = longer;
}

int whereabouts_write(const char *data_dir, const struct whereabouts *w, struct err *e)
{
    char *file = file_of(data_dir), *text = mem_strdup("");
    int rc;

    add_line(&text, "listen", w->listen);
    add_line(&text, "cert_file", w->cert_file);
    add_line(&text, "key_file", w->key_file);
    rc = own_file_write(file, slice_str(text), e);
    mem_free(text);
    mem_free(file);
    return rc;
}

int whereabouts_place(const char *data_dir, struct err *e)
{
    char *file = file_of(data_dir);
    int rc = own_file_place(file, e);

    mem_free(file);
    return rc;
}

void whereabouts_drop(const char *data_dir)
{
    char *file = file_of(data_dir);

    own_file_drop(file);
    mem_free(file);
}

void whereabouts_remove(const char *data_dir)
{
    char *file = file_of(data_dir);

    (void)unlink(file);
    mem_free(file);
}

/* "listen 127.0.0.1:9273": a copy of what stands behind the name. */
static char *value_of(const char *line, const char *name)
{
    size_t n = strlen(name);

    return strncmp(line, name, n) == 0 && line[n] == ' ' && line[n + 1] ? mem_strdup(line + n + 1) : NULL;
}

static void parse(char *text, struct whereabouts *w)
{
    char *rest = text, *line;

    while ((line = strsep(&rest, "\n"))) {
        if (!w->listen)
            w->listen = value_of(line, "listen");
        else if (!w->cert_file)
            w->cert_file = value_of(line, "cert_file");
        else if (!w->key_file)
            w->key_file = value_of(line, "key_file");
    }
}

bool whereabouts_read(const char *data_dir, struct whereabouts *w)
{
    char *file = file_of(data_dir), text[ADDRESS_MAX + 1];
    struct err e;
    int fd = io_open(&io_ops_real, file, O_RDONLY, 0, &e);
    size_t n = 0;

    *w = (struct whereabouts){.listen = NULL};
    if (fd >= 0 && io_read_at(&io_ops_real, fd, text, ADDRESS_MAX, 0, &n) == 0) {
        text[n] = '\0';
        parse(text, w);
    }
    if (fd >= 0)
        close(fd);
    mem_free(file);
    return w->listen != NULL;
}

void whereabouts_release(struct whereabouts *w)
{
    MEM_CLEAR(w->listen);
    MEM_CLEAR(w->cert_file);
    MEM_CLEAR(w->key_file);
}
