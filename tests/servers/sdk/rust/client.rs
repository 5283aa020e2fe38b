// The Firehose API through the AWS SDK for Rust: client ENDPOINT STREAM.
use aws_credential_types::Credentials;
use aws_sdk_firehose::config::{Config, Region};
use aws_sdk_firehose::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_firehose::primitives::Blob;
use aws_sdk_firehose::types::{DeliveryStreamStatus, Record};
use aws_sdk_firehose::Client;
use std::collections::HashSet;
use std::fmt::Debug;

#[derive(Default)]
struct Tally {
    count: u32,
    failed: u32,
}

impl Tally {
    fn check(&mut self, what: &str, passed: bool, detail: impl Debug) {
        self.count += 1;
        if passed {
            println!("ok {} - {}", self.count, what);
        } else {
            self.failed += 1;
            println!("not ok {} - {} ({:?})", self.count, what, detail);
        }
    }

    fn refuses<T: Debug, E: ProvideErrorMetadata + Debug, R: Debug>(
        &mut self,
        what: &str,
        code: &str,
        text: &str,
        answer: Result<T, SdkError<E, R>>,
    ) {
        let passed = match &answer {
            Err(e) => e.code() == Some(code) && e.message().unwrap_or("").contains(text),
            Ok(_) => false,
        };
        self.check(what, passed, answer);
    }
}

fn connect(endpoint: &str, key: &str, secret: &str) -> Client {
    Client::from_conf(
        Config::builder()
            .endpoint_url(endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::from_keys(key, secret, None))
            .build(),
    )
}

fn record(data: Vec<u8>) -> Record {
    Record::builder().data(Blob::new(data)).build().unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (endpoint, stream) = (&args[1], &args[2]);
    let key = std::env::var("AWS_ACCESS_KEY_ID").unwrap();
    let c = connect(endpoint, &key, &std::env::var("AWS_SECRET_ACCESS_KEY").unwrap());
    let mut t = Tally::default();

    let r = c.put_record().delivery_stream_name(stream).record(record(b"from Rust\n".to_vec())).send().await;
    t.check("put_record", r.as_ref().is_ok_and(|x| x.record_id().len() > 1), &r);

    let records = (0..500).map(|i| record(format!("batch {i} \u{ff}\0?>\n").into_bytes())).collect();
    let r = c.put_record_batch().delivery_stream_name(stream).set_records(Some(records)).send().await;
    let ids = r.as_ref().map(|x| x.request_responses().iter().filter_map(|y| y.record_id()).collect::<HashSet<_>>().len());
    t.check("put_record_batch of 500", r.as_ref().is_ok_and(|x| x.failed_put_count() == 0) && ids.ok() == Some(500), ());

    let r = c.describe_delivery_stream().delivery_stream_name(stream).send().await;
    let d = r.as_ref().ok().and_then(|x| x.delivery_stream_description());
    let good = d.is_some_and(|d| *d.delivery_stream_status() == DeliveryStreamStatus::Active && d.destinations().len() == 1);
    t.check("describe_delivery_stream", good, &r);

    let r = c.list_delivery_streams().limit(10000).send().await;
    t.check("list_delivery_streams", r.as_ref().is_ok_and(|x| x.delivery_stream_names().contains(stream)), &r);

    let r = c.put_record().delivery_stream_name(stream).record(record(vec![0; 1024001])).send().await;
    t.refuses("a record of 1,024,001 bytes", "ValidationException", "less than or equal to 1024000", r);
    let r = c.put_record().delivery_stream_name("nosuch").record(record(vec![1])).send().await;
    t.refuses("an unknown stream", "ResourceNotFoundException", "Firehose nosuch under account", r);
    let r = c.create_delivery_stream().delivery_stream_name("new").send().await;
    t.refuses("creating a stream says YAML", "InvalidArgumentException", "YAML", r);
    if std::env::var("SIGNED").as_deref() == Ok("1") {
        let r = connect(endpoint, &key, "not-it").list_delivery_streams().send().await;
        t.refuses("a wrong secret", "InvalidSignatureException", "does not match", r);
        let r = connect(endpoint, "AKNOBODY", "not-it").list_delivery_streams().send().await;
        t.refuses("an unknown key", "UnrecognizedClientException", "security token", r);
    }
    println!("1..{}", t.count);
    std::process::exit(if t.failed > 0 { 1 } else { 0 });
}
