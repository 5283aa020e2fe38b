// The Firehose API through the AWS SDK for JavaScript: client.cjs ENDPOINT STREAM.
const {
  FirehoseClient, PutRecordCommand, PutRecordBatchCommand, DescribeDeliveryStreamCommand, ListDeliveryStreamsCommand,
  CreateDeliveryStreamCommand,
} = require("@aws-sdk/client-firehose");

let count = 0;
let failed = 0;

function check(what, passed, detail) {
  count++;
  if (!passed) failed++;
  console.log(`${passed ? "ok" : "not ok"} ${count} - ${what}${passed ? "" : ` (${detail})`}`);
}

async function answers(what, promise, test) {
  try {
    const answer = await promise;
    check(what, test(answer), JSON.stringify(answer).slice(0, 300));
  } catch (e) {
    check(what, false, e);
  }
}

async function refuses(what, promise, code, text) {
  try {
    await promise;
    check(what, false, "no error");
  } catch (e) {
    check(what, e.name === code && e.message.includes(text), e);
  }
}

function connect(endpoint, accessKeyId, secretAccessKey) {
  return new FirehoseClient({ endpoint, region: "us-east-1", maxAttempts: 2, credentials: { accessKeyId, secretAccessKey } });
}

async function main(endpoint, stream) {
  const key = process.env.AWS_ACCESS_KEY_ID;
  const c = connect(endpoint, key, process.env.AWS_SECRET_ACCESS_KEY);
  const text = (s) => new TextEncoder().encode(s);
  const of = { DeliveryStreamName: stream };

  await answers("PutRecord", c.send(new PutRecordCommand({ ...of, Record: { Data: text("from node\n") } })),
    (r) => r.RecordId.length > 1);
  const Records = Array.from({ length: 500 }, (_, i) => ({ Data: text(`batch ${i} \u00ff\u0000?>\n`) }));
  await answers("PutRecordBatch of 500", c.send(new PutRecordBatchCommand({ ...of, Records })),
    (r) => r.FailedPutCount === 0 && new Set(r.RequestResponses.map((x) => x.RecordId)).size === 500);
  await answers("DescribeDeliveryStream", c.send(new DescribeDeliveryStreamCommand(of)),
    ({ DeliveryStreamDescription: d }) => d.DeliveryStreamStatus === "ACTIVE" && d.Destinations.length === 1
      && d.CreateTimestamp instanceof Date);
  await answers("ListDeliveryStreams", c.send(new ListDeliveryStreamsCommand({ Limit: 10000 })),
    (r) => r.DeliveryStreamNames.includes(stream) && r.HasMoreDeliveryStreams === false);
  await refuses("a record of 1,024,001 bytes",
    c.send(new PutRecordCommand({ ...of, Record: { Data: new Uint8Array(1024001) } })),
    "ValidationException", "less than or equal to 1024000");
  await refuses("an unknown stream",
    c.send(new PutRecordCommand({ DeliveryStreamName: "nosuch", Record: { Data: text("x") } })),
    "ResourceNotFoundException", "Firehose nosuch under account");
  await refuses("creating a stream says YAML",
    c.send(new CreateDeliveryStreamCommand({ DeliveryStreamName: "new" })), "InvalidArgumentException", "YAML");
  if (process.env.SIGNED === "1") {
    await refuses("a wrong secret", connect(endpoint, key, "not-it").send(new ListDeliveryStreamsCommand({})),
      "InvalidSignatureException", "does not match");
    await refuses("an unknown key", connect(endpoint, "AKNOBODY", "not-it").send(new ListDeliveryStreamsCommand({})),
      "UnrecognizedClientException", "security token");
  }
  console.log(`1..${count}`);
  process.exit(failed ? 1 : 0);
}

main(...process.argv.slice(2));
