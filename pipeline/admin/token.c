#include "pipeline/admin/token.h"

#include "pipeline/admin/own_file.h"
#include "pipeline/base/io.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_FILE "admin.token"

struct admin_token admin_token_of(struct slice text)
{
    struct admin_token t;

    sha256_of(text, t.digest);
    return t;
}

bool admin_token_is(const struct admin_token *t, struct slice shown)
{
    struct admin_token other = admin_token_of(shown);

    return equal_constant_time(t->digest, other.digest, sizeof(t->digest));
}

/* "0123...ef\n", and nothing else. */
static bool is_whole(const char *p, size_t n)
{
    if (n != ADMIN_TOKEN_TEXT || p[n - 1] != '\n')
        return false;
    for (size_t i = 0; i < n - 1; i++)
        if (hex_digit(p[i]) < 0)
            return false;
    return true;
}

static bool is_private(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_uid == geteuid() && st.st_nlink == 1 && !(st.st_mode & 077);
}

static int read_file(int fd, const char *file, char text[ADMIN_TOKEN_TEXT], struct err *e)
{
    char bytes[ADMIN_TOKEN_TEXT + 1];
    size_t n;

    if (io_read_at(&io_ops_real, fd, bytes, sizeof(bytes), 0, &n) < 0)
        return err_errno(e, "%s cannot be read", file);
    if (!is_whole(bytes, n))
        return err_set(e, ERR_IO, "%s holds no token; a start without the file makes a new one", file);
    memcpy(text, bytes, ADMIN_TOKEN_TEXT - 1);
    text[ADMIN_TOKEN_TEXT - 1] = '\0';
    return 0;
}

int admin_token_read(const char *data_dir, char text[ADMIN_TOKEN_TEXT], struct err *e)
{
    char *file = mem_printf("%s/" TOKEN_FILE, data_dir);
    int fd = io_open(&io_ops_real, file, O_RDONLY, 0, e), rc = -1;

    if (fd >= 0) {
        rc = read_file(fd, file, text, e);
        close(fd);
    }
    mem_free(file);
    return rc;
}

static int make(const char *file, char text[ADMIN_TOKEN_TEXT], struct err *e)
{
    unsigned char bits[SHA256_BYTES];
    char line[ADMIN_TOKEN_TEXT + 1];

    random_bytes(bits, sizeof(bits));
    hex_encode(bits, sizeof(bits), text);
    snprintf(line, sizeof(line), "%s\n", text);
    return own_file_write(file, slice_str(line), e);
}

int admin_token_keep(const char *data_dir, struct admin_token *t, bool *fresh, struct err *e)
{
    char *file = mem_printf("%s/" TOKEN_FILE, data_dir), text[ADMIN_TOKEN_TEXT];
    int fd = io_open(&io_ops_real, file, O_RDONLY, 0, e), rc = -1;

    if (fd >= 0) {
        if (is_private(fd))
            rc = read_file(fd, file, text, e);
        close(fd);
    }
    *fresh = rc < 0;
    if (*fresh)
        rc = make(file, text, e);
    if (rc == 0)
        *t = admin_token_of(slice_str(text));
    explicit_bzero(text, sizeof(text));
    mem_free(file);
    return rc;
}

int admin_token_place(const char *data_dir, struct err *e)
{
    char *file = mem_printf("%s/" TOKEN_FILE, data_dir);
    int rc = own_file_place(file, e);

    mem_free(file);
    return rc;
}

void admin_token_drop(const char *data_dir)
{
    char *file = mem_printf("%s/" TOKEN_FILE, data_dir);

    own_file_drop(file);
    mem_free(file);
}
