/* The manual: an example, what holds for all options, then every table of options, as the rows say. The words here are
 * only what no row can say. */
#include "config/reference.h"
#include "pipeline/settings/fields.h"
#include "pipeline/settings/settings.h"

static const char EXAMPLE[] =
    "# The sluice configuration\n"
    "\n"
    "sluice reads `-c FILE`, else `./sluice.yaml`, else `/etc/sluice/sluice.yaml`. `sluice validate` shows every "
    "mistake\n"
    "in it, each at its line and column. Only `streams`, with a `destination` for each, must be there.\n"
    "\n"
    "## An example\n"
    "\n"
    "```yaml\n"
    "# Spools and temporary files. Relative paths start at the folder of this file.\n"
    "data_dir: ./sluice-data\n"
    "\n"
    "# The Firehose API. Other addresses than loopback need `credentials`, `tokens`, `users`, or `auth: none`.\n"
    "api:\n"
    "  listen: \"127.0.0.1:4573\"\n"
    "  credentials:\n"
    "    - { access_key_id: AKEXAMPLE, secret_access_key: \"${env:SLUICE_SECRET:-change-me}\" }\n"
    "\n"
    "# /metrics, /healthz, /readyz and the console page; `none` switches it off.\n"
    "admin: { listen: \"127.0.0.1:9273\" }\n"
    "\n"
    "limits: { memory: 64MiB }     # records and bodies in memory, all streams together\n"
    "log: { level: info }          # error, warn, info, debug\n"
    "shutdown: { grace: 20s }      # how long SIGTERM waits for deliveries\n"
    "\n"
    "streams:\n"
    "  # The least a stream needs: records from the API, into files below ./out.\n"
    "  events:\n"
    "    destination:\n"
    "      file: { path: ./out }\n"
    "\n"
    "  # Most of what a stream can say.\n"
    "  app-logs:\n"
    "    inputs:\n"
    "      - api                                       # PutRecord, PutRecordBatch\n"
    "      - tail: { paths: [\"/var/log/*.log\"], start: beginning }\n"
    "    durability: disk                              # or memory\n"
    "    spool: { limit: 1GiB }                        # beyond it inputs are pushed back\n"
    "    buffer: { size: 1MiB, interval: 60s }         # a batch is due at whichever comes first\n"
    "    format: lines\n"
    "    compression: { gzip: { level: 6 } }           # or just `gzip`\n"
    "    deliveries_in_flight: { max: 8 }              # adapts between min and max\n"
    "    destination:\n"
    "      s3:\n"
    "        bucket: logs\n"
    "        prefix: \"app/!{timestamp:yyyy/MM/dd/HH}/\"\n"
    "        region: us-east-1\n"
    "        endpoint: http://127.0.0.1:8333           # left out: AWS\n"
    "        access_key_id: ${env:AWS_ACCESS_KEY_ID:-AKEXAMPLE}\n"
    "        secret_access_key: ${env:AWS_SECRET_ACCESS_KEY:-change-me}\n"
    "```\n";

static const char COMMON[] =
    "\n"
    "## What holds everywhere\n"
    "\n"
    "- **Sizes** are whole numbers with a unit: `1MiB` is 1,048,576 bytes, `1MB` is 1,000,000; without a unit, bytes.\n"
    "- **Durations**: `250ms`, `60s`, `5m`, `24h`, `7d`.\n"
    "- **Names with options**: where one of several things is chosen, its name alone takes the defaults (`gzip`), and "
    "a\n"
    "  mapping with that one key sets options (`{ gzip: { level: 6 } }`).\n"
    "- **Left out**: a key with nothing behind it, or `null`, counts as left out.\n"
    "- **Replacements**, in any value (not in keys): `${env:NAME}` is an environment variable, and a mistake when it "
    "is\n"
    "  not set; `${env:NAME:-default}` has a default for when it is not set or empty; `${file:PATH}` is the text of a\n"
    "  file, up to 64KiB, without one line break at its end. They work on values that are parsed already, so what "
    "they\n"
    "  bring in can never become YAML. Inside `{ }` and `[ ]` such a value must stand in quotes: `{ path: "
    "\"${env:OUT}\" "
    "}`.\n"
    "  Write `$${` for a literal `${`. No message ever shows a value that has one.\n"
    "- **Plain YAML**: one UTF-8 document of at most 10MB and 32 levels. Tags (`!`), anchors (`&`), aliases (`*`) and\n"
    "  merge keys (`<<`) are refused, unknown and duplicate keys too. Quote values that begin with such a character.\n";

/* One input, format or destination. */
static int add_section(struct buf *out, const char *name, const char *help, const struct cfg_field *fields)
{
    if (buf_printf(out, "\n### `%s`\n\n%s\n", name, help) < 0)
        return -1;
    return fields[0].name && (buf_add_char(out, '\n') < 0 || reference_fields(out, "", fields) < 0) ? -1 : 0;
}

static int add_codec(struct buf *out, const struct codec_ops *ops)
{
    if (buf_printf(out, "| `%s` | %s | ", ops->name, *ops->extension ? ops->extension : "nothing") < 0)
        return -1;
    if (ops->level_min == ops->level_max)
        return buf_add_str(out, "none | |\n");
    return buf_printf(out, "%d to %d | %d |\n", ops->level_min, ops->level_max, ops->level_default);
}

void settings_reference(struct buf *out)
{
    const struct input_ops *input;
    const struct format_ops *format;
    const struct codec_ops *codec;
    const struct sink_ops *sink;
    bool full; /* a manual that outgrows its buffer ends early */

    full = buf_add_str(out, EXAMPLE) < 0 || buf_add_str(out, COMMON) < 0 ||
           buf_add_str(out, "\n## The top of the file\n\n") < 0 || reference_fields(out, "", settings_fields) < 0 ||
           buf_add_str(out, "\n## A stream\n\nBelow `streams`, by its name: 1 to 64 of `a-z A-Z 0-9 _ . -`.\n\n") < 0 ||
           reference_fields(out, "", settings_stream_fields) < 0 ||
           buf_add_str(out, "\n### An element of `destinations`\n\nOne destination, and beside it what of the above "
                            "holds for it alone (but `inputs`, `durability`, `spool` and `give_up`), and:\n\n") < 0 ||
           reference_fields(out, "", settings_outlet_fields) < 0 ||
           buf_add_str(out, "\nA condition of `when`:\n\n") < 0 || reference_fields(out, "", settings_when_fields) < 0;

    full = full || buf_add_str(out, "\n## Inputs\n\n") < 0;
    for (size_t i = 0; !full && (input = input_at(i)); i++)
        full = input->section && buf_printf(out, "`%s` is %s; it has no options here, but the section `%s` above.\n",
                                            input->name, input->help, input->name) < 0;
    for (size_t i = 0; !full && (input = input_at(i)); i++)
        full = !input->section && add_section(out, input->name, input->help, input->fields) < 0;

    full = full || buf_add_str(out, "\n## Formats\n\n| format | content type |\n|---|---|\n") < 0;
    for (size_t i = 0; !full && (format = format_at(i)); i++)
        full = buf_printf(out, "| `%s` | %s |\n", format->name, format->content_type) < 0;
    for (size_t i = 0; !full && (format = format_at(i)); i++)
        full = format->fields && add_section(out, format->name, "Its options:", format->fields) < 0;

    full = full || buf_add_str(out, "\n## Compression\n\n| codec | ends names in | levels | default level |\n"
                                    "|---|---|---|---|\n") < 0;
    for (size_t i = 0; !full && (codec = codec_at(i)); i++)
        full = add_codec(out, codec) < 0;

    full = full || buf_add_str(out, "\n## Destinations\n") < 0;
    for (size_t i = 0; !full && (sink = sink_at(i)); i++)
        full = add_section(out, sink->name, sink->help, sink->fields) < 0;
}
