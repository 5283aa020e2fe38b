// The Firehose API through the AWS SDK for Java: Client ENDPOINT STREAM.
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.firehose.FirehoseClient;
import software.amazon.awssdk.services.firehose.model.DeliveryStreamStatus;
import software.amazon.awssdk.services.firehose.model.Record;

public class Client {
    private static int count, failed;

    private static void check(String what, boolean passed, Object detail) {
        count++;
        if (!passed)
            failed++;
        System.out.println((passed ? "ok " : "not ok ") + count + " - " + what + (passed ? "" : " (" + detail + ")"));
    }

    private static void answers(String what, Callable<Boolean> call) {
        try {
            check(what, call.call(), "not as expected");
        } catch (Exception e) {
            check(what, false, e);
        }
    }

    private static void refuses(String what, String code, String text, Callable<?> call) {
        try {
            call.call();
            check(what, false, "no error");
        } catch (AwsServiceException e) {
            check(what, code.equals(e.awsErrorDetails().errorCode()) && e.getMessage().contains(text), e);
        } catch (Exception e) {
            check(what, false, e);
        }
    }

    private static FirehoseClient connect(String endpoint, String key, String secret) {
        return FirehoseClient.builder()
                .endpointOverride(URI.create(endpoint))
                .region(Region.US_EAST_1)
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create(key, secret)))
                .build();
    }

    private static Record record(String text) {
        return Record.builder().data(SdkBytes.fromUtf8String(text)).build();
    }

    public static void main(String[] args) {
        String stream = args[1], key = System.getenv("AWS_ACCESS_KEY_ID");
        FirehoseClient c = connect(args[0], key, System.getenv("AWS_SECRET_ACCESS_KEY"));
        List<Record> records = new ArrayList<>();

        for (int i = 0; i < 500; i++)
            records.add(record("batch " + i + " \u00ff\u0000?>\n"));
        answers("putRecord", () -> c.putRecord(r -> r.deliveryStreamName(stream).record(record("from Java\n")))
                .recordId().length() > 1);
        answers("putRecordBatch of 500", () -> {
            var reply = c.putRecordBatch(r -> r.deliveryStreamName(stream).records(records));
            return reply.failedPutCount() == 0
                    && reply.requestResponses().stream().map(x -> x.recordId()).distinct().count() == 500;
        });
        answers("describeDeliveryStream", () -> {
            var d = c.describeDeliveryStream(r -> r.deliveryStreamName(stream)).deliveryStreamDescription();
            return d.deliveryStreamStatus() == DeliveryStreamStatus.ACTIVE && d.destinations().size() == 1
                    && d.createTimestamp() != null;
        });
        answers("listDeliveryStreams",
                () -> c.listDeliveryStreams(r -> r.limit(10000)).deliveryStreamNames().contains(stream));
        refuses("a record of 1,024,001 bytes", "ValidationException", "less than or equal to 1024000",
                () -> c.putRecord(r -> r.deliveryStreamName(stream)
                        .record(Record.builder().data(SdkBytes.fromByteArray(new byte[1024001])).build())));
        refuses("an unknown stream", "ResourceNotFoundException", "Firehose nosuch under account",
                () -> c.putRecord(r -> r.deliveryStreamName("nosuch").record(record("x"))));
        refuses("creating a stream says YAML", "InvalidArgumentException", "YAML",
                () -> c.createDeliveryStream(r -> r.deliveryStreamName("new")));
        if ("1".equals(System.getenv("SIGNED"))) {
            refuses("a wrong secret", "InvalidSignatureException", "does not match",
                    () -> connect(args[0], key, "not-it").listDeliveryStreams());
            refuses("an unknown key", "UnrecognizedClientException", "security token",
                    () -> connect(args[0], "AKNOBODY", "not-it").listDeliveryStreams());
        }
        System.out.println("1.." + count);
        System.exit(failed > 0 ? 1 : 0);
    }
}
