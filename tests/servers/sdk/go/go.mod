module client

go 1.23

require (
	github.com/aws/aws-sdk-go-v2/credentials v1.20.9
	github.com/aws/aws-sdk-go-v2/service/firehose v1.52.10
)
