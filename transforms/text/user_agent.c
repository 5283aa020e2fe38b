/* User agents name what they descend from (Edge says Chrome and Safari, too), so the first row of a table ordered
 * from special to general wins; the version is what stands behind its mark. The same with systems. */
#include "transforms/text/user_agent.h"

#include "pipeline/base/compiler.h"

/* Browsers name the ones they descend from as well, so the first row that is found wins. */
struct row {
    const char *mark; /* what is looked for; the version stands behind it */
    const char *name;
    const char *device; /* NULL: the system says it */
};

static const struct row BROWSERS[] = {
    {"Googlebot/", "Googlebot", "bot"},
    {"bingbot/", "Bingbot", "bot"},
    {"YandexBot/", "YandexBot", "bot"},
    {"DuckDuckBot/", "DuckDuckBot", "bot"},
    {"Baiduspider", "Baiduspider", "bot"},
    {"Applebot/", "Applebot", "bot"},
    {"GPTBot/", "GPTBot", "bot"},
    {"facebookexternalhit/", "Facebook", "bot"},
    {"Twitterbot/", "Twitterbot", "bot"},
    {"AhrefsBot/", "AhrefsBot", "bot"},
    {"SemrushBot/", "SemrushBot", "bot"},
    {"ELB-HealthChecker/", "ELB health checker", "bot"},
    {"kube-probe/", "kube-probe", "bot"},
    {"Edg/", "Edge", NULL},
    {"EdgA/", "Edge", NULL},
    {"EdgiOS/", "Edge", NULL},
    {"Edge/", "Edge", NULL},
    {"OPR/", "Opera", NULL},
    {"Opera/", "Opera", NULL},
    {"SamsungBrowser/", "Samsung Internet", NULL},
    {"YaBrowser/", "Yandex Browser", NULL},
    {"Vivaldi/", "Vivaldi", NULL},
    {"UCBrowser/", "UC Browser", NULL},
    {"CriOS/", "Chrome", NULL},
    {"FxiOS/", "Firefox", NULL},
    {"Firefox/", "Firefox", NULL},
    {"HeadlessChrome/", "Headless Chrome", "program"},
    {"Chromium/", "Chromium", NULL},
    {"Chrome/", "Chrome", NULL},
    {"MSIE ", "Internet Explorer", NULL},
    {"Trident/", "Internet Explorer", NULL},
    {"Version/", "Safari", NULL},
    {"curl/", "curl", "program"},
    {"Wget/", "Wget", "program"},
    {"python-requests/", "python-requests", "program"},
    {"Python-urllib/", "Python-urllib", "program"},
    {"Go-http-client/", "Go-http-client", "program"},
    {"okhttp/", "okhttp", "program"},
    {"Apache-HttpClient/", "Apache-HttpClient", "program"},
    {"aws-sdk-", "AWS SDK", "program"},
    {"aws-cli/", "AWS CLI", "program"},
    {"Boto3/", "Boto3", "program"},
    {"PostmanRuntime/", "Postman", "program"},
    {"axios/", "axios", "program"},
    {"Java/", "Java", "program"},
};

static const struct row SYSTEMS[] = {
    {"iPad; CPU OS ", "iOS", "tablet"},    {"CPU iPhone OS ", "iOS", "mobile"}, {"Android ", "Android", "mobile"},
    {"Windows NT ", "Windows", "desktop"}, {"Mac OS X ", "macOS", "desktop"},   {"CrOS ", "ChromeOS", "desktop"},
    {"Linux", "Linux", "desktop"},         {"FreeBSD", "FreeBSD", "desktop"},
};

static const char *find(struct slice text, const char *mark)
{
    size_t n = strlen(mark);
    const char *at = text.n ? memmem(text.p, text.n, mark, n) : NULL;

    return at ? at + n : NULL;
}

/* "120.0.6099.71", "17_2" */
static struct slice version_at(struct slice text, const char *p)
{
    size_t n = 0, left = (size_t)(text.p + text.n - p);

    while (n < left && ((p[n] >= '0' && p[n] <= '9') || (n > 0 && (p[n] == '.' || p[n] == '_'))))
        n++;
    return slice_of(p, n);
}

static const struct row *first_row(const struct row *rows, size_t count, struct slice text, struct slice *version)
{
    for (size_t i = 0; i < count; i++) {
        const char *at = find(text, rows[i].mark);

        if (!at)
            continue;
        *version = version_at(text, at);
        return &rows[i];
    }
    return NULL;
}

void user_agent_parse(struct user_agent *out, struct slice text)
{
    const struct row *browser, *os;

    *out = (struct user_agent){.browser = "Other", .os = "Other", .device = "other"};
    browser = first_row(BROWSERS, ARRAY_LEN(BROWSERS), text, &out->version);
    os = first_row(SYSTEMS, ARRAY_LEN(SYSTEMS), text, &out->os_version);
    if (os) {
        out->os = os->name;
        out->device = os->device;
    }
    /* Tablets leave out the word that telephones have. */
    if (os && strcmp(os->name, "Android") == 0 && !find(text, "Mobile"))
        out->device = "tablet";
    if (browser) {
        out->browser = browser->name;
        out->device = browser->device ? browser->device : out->device;
    } else if (find(text, "bot") || find(text, "Bot") || find(text, "crawler") || find(text, "spider")) {
        out->device = "bot";
    }
}
