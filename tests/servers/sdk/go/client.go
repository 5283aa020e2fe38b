// The Firehose API through the AWS SDK for Go: client ENDPOINT STREAM.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/smithy-go"
)

var count, failed int

func check(what string, passed bool, detail any) {
	count++
	if passed {
		fmt.Printf("ok %d - %s\n", count, what)
		return
	}
	failed++
	fmt.Printf("not ok %d - %s (%v)\n", count, what, detail)
}

func checkError(what, code, text string, err error) {
	var api smithy.APIError
	passed := errors.As(err, &api) && api.ErrorCode() == code && strings.Contains(api.ErrorMessage(), text)
	check(what, passed, err)
}

func connect(endpoint, key, secret string) *firehose.Client {
	return firehose.New(firehose.Options{
		Region:           "us-east-1",
		BaseEndpoint:     aws.String(endpoint),
		Credentials:      credentials.NewStaticCredentialsProvider(key, secret, ""),
		RetryMaxAttempts: 2,
	})
}

func puts(c *firehose.Client, stream string) {
	ctx := context.Background()
	one, err := c.PutRecord(ctx, &firehose.PutRecordInput{
		DeliveryStreamName: &stream, Record: &types.Record{Data: []byte("from Go\n")}})
	check("PutRecord", err == nil && len(aws.ToString(one.RecordId)) > 1, err)
	records := make([]types.Record, 500)
	for i := range records {
		records[i].Data = []byte(fmt.Sprintf("batch %d \xff\x00?>\n", i))
	}
	all, err := c.PutRecordBatch(ctx, &firehose.PutRecordBatchInput{DeliveryStreamName: &stream, Records: records})
	check("PutRecordBatch of 500", err == nil && aws.ToInt32(all.FailedPutCount) == 0 &&
		len(all.RequestResponses) == 500 && all.RequestResponses[499].RecordId != nil, err)
	_, err = c.PutRecord(ctx, &firehose.PutRecordInput{
		DeliveryStreamName: &stream, Record: &types.Record{Data: make([]byte, 1024001)}})
	checkError("a record of 1,024,001 bytes", "ValidationException", "less than or equal to 1024000", err)
}

func describes(c *firehose.Client, stream string) {
	ctx := context.Background()
	d, err := c.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: &stream})
	check("DescribeDeliveryStream", err == nil &&
		d.DeliveryStreamDescription.DeliveryStreamStatus == types.DeliveryStreamStatusActive &&
		len(d.DeliveryStreamDescription.Destinations) == 1 && d.DeliveryStreamDescription.CreateTimestamp != nil, err)
	l, err := c.ListDeliveryStreams(ctx, &firehose.ListDeliveryStreamsInput{Limit: aws.Int32(10000)})
	found := false
	if err == nil {
		for _, name := range l.DeliveryStreamNames {
			found = found || name == stream
		}
	}
	check("ListDeliveryStreams", found, err)
}

func refusals(c *firehose.Client) {
	ctx := context.Background()
	_, err := c.PutRecord(ctx, &firehose.PutRecordInput{
		DeliveryStreamName: aws.String("nosuch"), Record: &types.Record{Data: []byte("x")}})
	var missing *types.ResourceNotFoundException
	check("an unknown stream", errors.As(err, &missing), err)
	_, err = c.DeleteDeliveryStream(ctx, &firehose.DeleteDeliveryStreamInput{DeliveryStreamName: aws.String("x")})
	checkError("deleting a stream says YAML", "InvalidArgumentException", "YAML", err)
}

func main() {
	endpoint, stream := os.Args[1], os.Args[2]
	key := os.Getenv("AWS_ACCESS_KEY_ID")
	c := connect(endpoint, key, os.Getenv("AWS_SECRET_ACCESS_KEY"))
	puts(c, stream)
	describes(c, stream)
	refusals(c)
	if os.Getenv("SIGNED") == "1" {
		_, err := connect(endpoint, key, "not-it").ListDeliveryStreams(context.Background(), nil)
		checkError("a wrong secret", "InvalidSignatureException", "does not match", err)
		_, err = connect(endpoint, "AKNOBODY", "not-it").ListDeliveryStreams(context.Background(), nil)
		checkError("an unknown key", "UnrecognizedClientException", "security token", err)
	}
	fmt.Printf("1..%d\n", count)
	if failed > 0 {
		os.Exit(1)
	}
}
