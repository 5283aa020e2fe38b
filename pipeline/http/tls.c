#include "pipeline/http/tls.h"

#include "pipeline/base/mem.h"

#include <sys/stat.h>
#include <unistd.h>

const struct cfg_field tls_fields[] = {
    {.name = "verify",
     .type = CFG_BOOL,
     .offset = offsetof(struct tls_conf, verify),
     .def = "true",
     .help = "false trusts any certificate: whoever is on the network can read and change the data"},
    {.name = "ca_file",
     .type = CFG_STRING,
     .offset = offsetof(struct tls_conf, ca_file),
     .help = "PEM file of the certificate authorities to trust instead of the system's"},
    {.name = "cert_file",
     .type = CFG_STRING,
     .offset = offsetof(struct tls_conf, cert_file),
     .help = "PEM file of a client certificate"},
    {.name = "key_file",
     .type = CFG_STRING,
     .offset = offsetof(struct tls_conf, key_file),
     .help = "PEM file of the client certificate's key"},
    {.name = "key_password",
     .type = CFG_STRING,
     .offset = offsetof(struct tls_conf, key_password),
     .secret = true,
     .help = "password of key_file"},
    {.name = NULL},
};

static char *resolve(const char *path, const char *base_dir)
{
    if (!path || !*path)
        return NULL;
    return path[0] == '/' || !base_dir ? mem_strdup(path) : mem_printf("%s/%s", base_dir, path);
}

void tls_options_init(struct tls_options *t, const struct tls_conf *conf, const char *base_dir)
{
    *t = (struct tls_options){
        .ca_file = resolve(conf->ca_file, base_dir),
        .cert_file = resolve(conf->cert_file, base_dir),
        .key_file = resolve(conf->key_file, base_dir),
        .key_password = conf->key_password ? mem_strdup(conf->key_password) : NULL,
    };
    t->http = (struct http_tls){
        .insecure = !conf->verify,
        .ca_file = t->ca_file,
        .cert_file = t->cert_file,
        .key_file = t->key_file,
        .key_password = t->key_password,
    };
}

void tls_options_release(struct tls_options *t)
{
    mem_free(t->ca_file);
    mem_free(t->cert_file);
    mem_free(t->key_file);
    mem_free(t->key_password);
    *t = (struct tls_options){0};
}

static int readable(const char *option, const char *path, struct err *e)
{
    struct stat st;

    if (!path)
        return 0;
    if (access(path, R_OK) < 0 || stat(path, &st) < 0)
        return err_errno(e, "tls.%s: cannot read `%s`", option, path);
    return S_ISREG(st.st_mode) ? 0 : err_set(e, ERR_CONFIG, "tls.%s: `%s` is not a file", option, path);
}

static int check_pair(const struct tls_options *t, struct err *e)
{
    if (!t->cert_file == !t->key_file)
        return 0;
    return err_set(e, ERR_CONFIG, "tls.%s: goes together with %s, which is not set",
                   t->cert_file ? "cert_file" : "key_file", t->cert_file ? "key_file" : "cert_file");
}

static int check_ca_file(const struct tls_options *t, struct err *e)
{
    return readable("ca_file", t->ca_file, e);
}

static int check_cert_file(const struct tls_options *t, struct err *e)
{
    return readable("cert_file", t->cert_file, e);
}

static int check_key_file(const struct tls_options *t, struct err *e)
{
    return readable("key_file", t->key_file, e);
}

static int (*const CHECKS[])(const struct tls_options *t, struct err *e) = {check_pair, check_ca_file, check_cert_file,
                                                                            check_key_file};

int tls_options_check(const struct tls_options *t, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(CHECKS); i++)
        if (CHECKS[i](t, e) < 0)
            return -1;
    return 0;
}

void tls_options_check_all(const struct tls_conf *conf, const char *base_dir, const struct cfg_options *o)
{
    struct tls_options t;
    struct err e;

    tls_options_init(&t, conf, base_dir);
    for (size_t i = 0; i < ARRAY_LEN(CHECKS); i++)
        if (CHECKS[i](&t, &e) < 0)
            cfg_options_refuse(o, &e);
    tls_options_release(&t);
}
