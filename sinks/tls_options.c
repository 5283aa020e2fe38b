#include "sinks/tls_options.h"

#include "pipeline/base/mem.h"

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

static int readable(const char *path, const char *option, struct err *e)
{
    return path && access(path, R_OK) < 0 ? err_errno(e, "%s: %s", option, path) : 0;
}

int tls_options_check(const struct tls_options *t, struct err *e)
{
    if (!t->cert_file != !t->key_file)
        return err_set(e, ERR_CONFIG, "tls.cert_file and tls.key_file go together");
    if (readable(t->ca_file, "tls.ca_file", e) < 0 || readable(t->cert_file, "tls.cert_file", e) < 0)
        return -1;
    return readable(t->key_file, "tls.key_file", e);
}
