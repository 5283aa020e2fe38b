/* What DescribeDeliveryStream says of each kind of destination. */
#include "tests/support/cmocka.h"

#include "pipeline/engine/firehose_view.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/settings/settings.h"

#include <string.h>

#define BUFFERING "\"BufferingHints\":{\"SizeInMBs\":1,\"IntervalInSeconds\":60},"
#define NO_KEY    "\"EncryptionConfiguration\":{\"NoEncryptionConfig\":\"NoEncryption\"},"
#define ROLE      "\"RoleARN\":\"arn:aws:iam::123456789012:role/sluice\","
#define NO_LOG    "\"CloudWatchLoggingOptions\":{\"Enabled\":false}"
#define NO_STEPS  "\"ProcessingConfiguration\":{\"Enabled\":false,\"Processors\":[]},"
#define BACKUP                                                                                                         \
    "\"S3DestinationDescription\":{" ROLE                                                                              \
    "\"BucketARN\":\"arn:aws:s3:::kept\",\"ErrorOutputPrefix\":\"bad/\"," NO_KEY BUFFERING                             \
    "\"CompressionFormat\":\"GZIP\"," NO_LOG "},"

/* A stream `app` with these lines of YAML. */
static struct settings *settings_of(const char *lines)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct buf text, said;
    struct settings *s;

    buf_init(&text, 64 * KIB);
    buf_init(&said, MIB);
    assert_int_equal(buf_printf(&text, "admin: { listen: none }\nstreams:\n  app:\n    compression: gzip\n%s", lines),
                     0);
    s = settings_parse("view.yaml", "/tmp", text.p, text.n, &SETTINGS_ALL, errs);
    cfg_errors_print(errs, &said);
    if (!s)
        fail_msg("%s", buf_cstr(&said));
    buf_release(&said);
    buf_release(&text);
    cfg_errors_free(&errs);
    return s;
}

static void expect(const char *lines, const char *want)
{
    struct settings *s = settings_of(lines);
    struct buf out;

    buf_init(&out, 64 * KIB);
    assert_int_equal(buf_add_str(&out, "{\"DestinationId\":\"d\""), 0);
    assert_int_equal(firehose_view_add(&s->streams[0], 0, "eu-west-1", "123456789012", &out), 0);
    assert_int_equal(buf_add_char(&out, '}'), 0);
    if (!json_valid(buf_slice(&out), 16) || strcmp(buf_cstr(&out) + strlen("{\"DestinationId\":\"d\","), want) != 0)
        fail_msg("%s is shown as\n%s\nnot as\n%s", lines, buf_cstr(&out), want);
    buf_release(&out);
    settings_free(&s);
}

#define S3_OLD(bucket)                                                                                                 \
    "\"S3DestinationDescription\":{" ROLE "\"BucketARN\":\"arn:aws:s3:::" bucket "\"," NO_KEY BUFFERING                \
    "\"CompressionFormat\":\"GZIP\"," NO_LOG "},"
#define S3_NEW(bucket)                                                                                                 \
    "\"ExtendedS3DestinationDescription\":{" ROLE "\"BucketARN\":\"arn:aws:s3:::" bucket                               \
    "\",\"CustomTimeZone\":\"UTC\"," NO_KEY BUFFERING "\"CompressionFormat\":\"GZIP\","

static void a_bucket_has_both_descriptions(void **state)
{
    (void)state;
    expect("    destination: { s3: { bucket: logs } }\n",
           S3_OLD("logs") S3_NEW("logs") NO_STEPS "\"S3BackupMode\":\"Disabled\"," NO_LOG "}}");
    /* A backup of what failed alone is none of AWS's. */
    expect("    destination: { s3: { bucket: logs } }\n    backup: { file: { path: ./kept } }\n",
           S3_OLD("logs") S3_NEW("logs") NO_STEPS "\"S3BackupMode\":\"Disabled\"," NO_LOG "}}");
}

static void options_of_a_bucket_have_the_members_of_aws(void **state)
{
    (void)state;
    expect("    buffer: { size: 1500000, interval: 90s }\n"
           "    destination: { s3: { bucket: logs, prefix: 'a/\"!{timestamp:yyyy}/', "
           "extension: .json.gz, timezone: Europe/Berlin, region: eu-central-1,\n"
           "      server_side_encryption: aws:kms, kms_key_id: 1234abcd-12ab-34cd-56ef-1234567890ab } }\n",
           "\"S3DestinationDescription\":{" ROLE "\"BucketARN\":\"arn:aws:s3:::logs\","
           "\"Prefix\":\"a/\\\"!{timestamp:yyyy}/\","
           "\"EncryptionConfiguration\":{\"KMSEncryptionConfig\":{\"AWSKMSKeyARN\":"
           "\"arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab\"}},"
           "\"BufferingHints\":{\"SizeInMBs\":2,\"IntervalInSeconds\":90},\"CompressionFormat\":\"GZIP\"," NO_LOG "},"
           "\"ExtendedS3DestinationDescription\":{" ROLE "\"BucketARN\":\"arn:aws:s3:::logs\","
           "\"Prefix\":\"a/\\\"!{timestamp:yyyy}/\","
           "\"FileExtension\":\".json.gz\",\"CustomTimeZone\":\"Europe/Berlin\","
           "\"EncryptionConfiguration\":{\"KMSEncryptionConfig\":{\"AWSKMSKeyARN\":"
           "\"arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab\"}},"
           "\"BufferingHints\":{\"SizeInMBs\":2,\"IntervalInSeconds\":90},\"CompressionFormat\":\"GZIP\"," NO_STEPS
           "\"S3BackupMode\":\"Disabled\"," NO_LOG "}}");
}

static void a_folder_is_shown_as_a_bucket_of_its_name(void **state)
{
    (void)state;
    expect("    destination: { file: { path: /srv/out put/ } }\n",
           S3_OLD("out-put") S3_NEW("out-put") NO_STEPS "\"S3BackupMode\":\"Disabled\"," NO_LOG "}}");
    expect("    destination: { file: { path: / } }\n",
           S3_OLD("folder") S3_NEW("folder") NO_STEPS "\"S3BackupMode\":\"Disabled\"," NO_LOG "}}");
}

static void a_backup_of_all_records_is_the_one_of_aws(void **state)
{
    (void)state;
    expect("    destination: { s3: { bucket: logs } }\n    backup: { mode: all, file: { path: ./kept } }\n",
           S3_OLD("logs") S3_NEW("logs") NO_STEPS "\"S3BackupMode\":\"Enabled\",\"S3BackupDescription\":{" ROLE
                                                  "\"BucketARN\":\"arn:aws:s3:::kept\"," NO_KEY BUFFERING
                                                  "\"CompressionFormat\":\"GZIP\"," NO_LOG "}," NO_LOG "}}");
}

static void clusters_and_endpoints_have_a_description_of_their_own(void **state)
{
    static const char backup[] = "    backup: { file: { path: ./kept, error_prefix: bad/ } }\n";
    const struct {
        const char *destination, *member, *own, *mode;
    } cases[] = {
        {"elasticsearch: { url: 'https://es.example:9200/base', index: app, rotation: week }",
         "ElasticsearchDestinationDescription",
         "\"ClusterEndpoint\":\"https://es.example:9200\",\"IndexName\":\"app\",\"IndexRotationPeriod\":\"OneWeek\","
         "\"DocumentIdOptions\":{\"DefaultDocumentIdFormat\":\"FIREHOSE_DEFAULT\"},",
         "FailedDocumentsOnly"},
        {"elasticsearch: { url: 'https://es.example', index: app, id: server, auth: { sigv4: { service: es, region: "
         "eu-west-1 } } }",
         "AmazonopensearchserviceDestinationDescription",
         "\"ClusterEndpoint\":\"https://es.example\",\"IndexName\":\"app\",\"IndexRotationPeriod\":\"OneDay\","
         "\"DocumentIdOptions\":{\"DefaultDocumentIdFormat\":\"NO_DOCUMENT_ID\"},",
         "FailedDocumentsOnly"},
        {"http: { url: 'https://in.example/v1/SECRET?key=SECRET', format: firehose, access_key: SECRET }",
         "HttpEndpointDestinationDescription",
         "\"EndpointConfiguration\":{\"Url\":\"https://in.example\",\"Name\":\"HTTP endpoint\"},", "FailedDataOnly"},
        {"http: { preset: splunk_raw, url: 'https://hec.example:8088', access_key: SECRET }",
         "SplunkDestinationDescription",
         "\"HECEndpoint\":\"https://hec.example:8088\",\"HECEndpointType\":\"Raw\","
         "\"HECAcknowledgmentTimeoutInSeconds\":180,",
         "FailedEventsOnly"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf lines, want;

        buf_init(&lines, 64 * KIB);
        buf_init(&want, 64 * KIB);
        assert_int_equal(buf_printf(&lines, "    destination: { %s }\n%s", cases[i].destination, backup), 0);
        assert_int_equal(
            buf_printf(&want,
                       "\"%s\":{" ROLE "%s" BUFFERING "\"RetryOptions\":{\"DurationInSeconds\":300},%s" NO_STEPS
                       "\"S3BackupMode\":\"%s\"," BACKUP NO_LOG "}}",
                       cases[i].member, cases[i].own,
                       strstr(cases[i].member, "Http")
                           ? "\"RequestConfiguration\":{\"ContentEncoding\":\"GZIP\",\"CommonAttributes\":[]},"
                           : "",
                       cases[i].mode),
            0);
        expect(buf_cstr(&lines), buf_cstr(&want));
        buf_release(&lines);
        buf_release(&want);
    }
}

static void transforms_and_partitions_are_shown(void **state)
{
    struct settings *s =
        settings_of("    transform: { decompress: messages }\n    partition_keys: { who: .customer }\n"
                    "    destination: { s3: { bucket: logs, prefix: 'c=!{partitionKeyFromQuery:who}/' } }\n");
    struct buf out;

    (void)state;
    buf_init(&out, 64 * KIB);
    assert_int_equal(firehose_view_add(&s->streams[0], 0, "eu-west-1", "123456789012", &out), 0);
    assert_non_null(strstr(buf_cstr(&out), "\"ProcessingConfiguration\":{\"Enabled\":true,\"Processors\":[{\"Type\":"));
    assert_non_null(strstr(buf_cstr(&out), "\"DynamicPartitioningConfiguration\":{\"Enabled\":true,"));
    buf_release(&out);
    settings_free(&s);
}

static void each_of_several_destinations_is_shown(void **state)
{
    struct settings *s = settings_of("    destinations:\n"
                                     "      - s3: { bucket: logs }\n"
                                     "      - http: { url: 'https://in.example/', format: firehose }\n"
                                     "        buffer: { size: 3MiB }\n");
    struct buf out;

    (void)state;
    buf_init(&out, 64 * KIB);
    assert_int_equal(firehose_view_add(&s->streams[0], 0, "eu-west-1", "123456789012", &out), 0);
    assert_non_null(strstr(buf_cstr(&out), "\"ExtendedS3DestinationDescription\":"));
    buf_clear(&out);
    assert_int_equal(firehose_view_add(&s->streams[0], 1, "eu-west-1", "123456789012", &out), 0);
    assert_non_null(strstr(buf_cstr(&out), "\"HttpEndpointDestinationDescription\":"));
    assert_non_null(strstr(buf_cstr(&out), "\"SizeInMBs\":3"));
    assert_null(strstr(buf_cstr(&out), "arn:aws:s3:::logs"));
    buf_release(&out);
    settings_free(&s);
}

/* At each size the answer is whole or refused. */
static void without_room_it_is_refused(void **state)
{
    struct settings *s = settings_of("    destination: { http: { url: 'https://in.example/', format: firehose } }\n"
                                     "    backup: { mode: all, file: { path: ./kept } }\n");
    struct buf out;
    size_t whole;

    (void)state;
    buf_init(&out, 64 * KIB);
    assert_int_equal(firehose_view_add(&s->streams[0], 0, "eu-west-1", "123456789012", &out), 0);
    whole = out.n;
    buf_release(&out);
    for (size_t room = 0; room <= whole; room++) {
        buf_init(&out, room);
        assert_int_equal(firehose_view_add(&s->streams[0], 0, "eu-west-1", "123456789012", &out),
                         room < whole ? -1 : 0);
        buf_release(&out);
    }
    settings_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_has_both_descriptions),
        cmocka_unit_test(options_of_a_bucket_have_the_members_of_aws),
        cmocka_unit_test(a_folder_is_shown_as_a_bucket_of_its_name),
        cmocka_unit_test(a_backup_of_all_records_is_the_one_of_aws),
        cmocka_unit_test(clusters_and_endpoints_have_a_description_of_their_own),
        cmocka_unit_test(transforms_and_partitions_are_shown),
        cmocka_unit_test(each_of_several_destinations_is_shown),
        cmocka_unit_test(without_room_it_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
