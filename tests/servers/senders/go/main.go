// Numbered events by clients that are somebody else's:
//
//	sender KIND URL KEY FIRST COUNT RATE [OPTION]
//
// "event N" each, and $EVENT_PADDING behind it, from FIRST on, at most RATE a second (0: as fast as it goes). It ends when its client says that all were taken; "given up N" for
// those that the client itself gave up. Kinds: see main().
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esutil"
	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/grafana/loki-client-go/loki"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
)

const (
	batch      = 500
	forever    = 10 * time.Minute
	wait, most = 200 * time.Millisecond, 2 * time.Second
)

var (
	target, key, option string
	first, count        int
	rate                float64
	began               = time.Now()
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// numbers calls each for each event, at the rate that is wanted.
func numbers(each func(n int)) {
	for i := 0; i < count; i++ {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		}
		each(first + i)
	}
}

func text(n int) string { return fmt.Sprintf("event %d", n) + os.Getenv("EVENT_PADDING") }

func host() string {
	u, err := url.Parse(target)
	check(err)
	return u.Host
}

// Documents that failed for good are added again, as a program would that may lose none.
func elastic() {
	es, err := elasticsearch.NewClient(elasticsearch.Config{
		Addresses: []string{target}, APIKey: key, CompressRequestBody: option != "plain", MaxRetries: 1000,
		RetryOnStatus: []int{429, 502, 503, 504}, RetryBackoff: func(int) time.Duration { return wait },
	})
	check(err)
	info, err := es.Info()
	check(err)
	check(info.Body.Close())
	todo := make([]int, 0, count)
	numbersOf := func() { numbers(func(n int) { todo = append(todo, n) }) }
	pace := rate
	rate = 0
	numbersOf()
	rate = pace
	for len(todo) > 0 {
		var lock sync.Mutex
		var failed []int
		add, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{Client: es, Index: "events", NumWorkers: 4, FlushBytes: 100_000, FlushInterval: time.Second})
		check(err)
		for i, n := range todo {
			if rate > 0 && i%100 == 0 {
				time.Sleep(time.Duration(100 / rate * float64(time.Second)))
			}
			document, _ := json.Marshal(map[string]any{"n": n, "message": text(n)})
			check(add.Add(context.Background(), esutil.BulkIndexerItem{
				Action: "create", DocumentID: strconv.Itoa(n), Body: strings.NewReader(string(document)),
				OnFailure: func(context.Context, esutil.BulkIndexerItem, esutil.BulkIndexerResponseItem, error) {
					lock.Lock()
					failed = append(failed, n)
					lock.Unlock()
				},
			}))
		}
		check(add.Close(context.Background()))
		todo = failed
	}
}

func forward() {
	h, port, err := net.SplitHostPort(host())
	check(err)
	number, err := strconv.Atoi(port)
	check(err)
	c, err := fluent.New(fluent.Config{FluentHost: h, FluentPort: number, RequestAck: true, SubSecondPrecision: true, RetryWait: 200, MaxRetry: 1000,
		MaxRetryWait: 2000, WriteTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second})
	check(err)
	numbers(func(n int) {
		for c.Post("app.web", map[string]any{"n": n, "message": text(n)}) != nil {
			time.Sleep(wait)
		}
	})
	check(c.Close())
}

func pushLoki() {
	c, err := loki.NewDefaultConfig(target + "/loki/api/v1/push")
	check(err)
	c.Client = config.HTTPClientConfig{BearerToken: config.Secret(key), FollowRedirects: true}
	c.BatchSize, c.BatchWait = 100_000, 200*time.Millisecond
	c.BackoffConfig.MinBackoff, c.BackoffConfig.MaxBackoff, c.BackoffConfig.MaxRetries = wait, most, 1000
	c.EncodeJson = option == "json"
	client, err := loki.New(c)
	check(err)
	numbers(func(n int) {
		check(client.Handle(model.LabelSet{"app": "web", "part": model.LabelValue(strconv.Itoa(n % 3))}, time.Now(), text(n)))
	})
	client.Stop()
}

// --- OpenTelemetry -----------------------------------------------------------------------------------------------------

// An exporter gives up after a while; a program that may lose none offers the batch again.
type patient struct {
	sdklog.Exporter
	again atomic.Int64
}

func (p *patient) Export(ctx context.Context, records []sdklog.Record) error {
	for {
		err := p.Exporter.Export(context.WithoutCancel(ctx), records)
		if err == nil {
			return nil
		}
		p.again.Add(1)
		time.Sleep(wait)
	}
}

func pings() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true})}
}

func logs(ctx context.Context) sdklog.Exporter {
	headers := map[string]string{"authorization": "Bearer " + key}
	if strings.HasPrefix(option, "grpc") {
		o := []otlploggrpc.Option{otlploggrpc.WithEndpoint(host()), otlploggrpc.WithInsecure(), otlploggrpc.WithHeaders(headers), otlploggrpc.WithDialOption(pings()...),
			otlploggrpc.WithRetry(otlploggrpc.RetryConfig{Enabled: true, InitialInterval: wait, MaxInterval: most, MaxElapsedTime: forever})}
		if option == "grpc-gzip" {
			o = append(o, otlploggrpc.WithCompressor("gzip"))
		}
		e, err := otlploggrpc.New(ctx, o...)
		check(err)
		return e
	}
	o := []otlploghttp.Option{otlploghttp.WithEndpoint(host()), otlploghttp.WithInsecure(), otlploghttp.WithHeaders(headers),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: true, InitialInterval: wait, MaxInterval: most, MaxElapsedTime: forever})}
	if option == "http-gzip" {
		o = append(o, otlploghttp.WithCompression(otlploghttp.GzipCompression))
	}
	e, err := otlploghttp.New(ctx, o...)
	check(err)
	return e
}

func spans(ctx context.Context) sdktrace.SpanExporter {
	headers := map[string]string{"authorization": "Bearer " + key}
	if strings.HasPrefix(option, "grpc") {
		e, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(host()), otlptracegrpc.WithInsecure(), otlptracegrpc.WithHeaders(headers))
		check(err)
		return e
	}
	e, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(host()), otlptracehttp.WithInsecure(), otlptracehttp.WithHeaders(headers))
	check(err)
	return e
}

func points(ctx context.Context) sdkmetric.Exporter {
	headers := map[string]string{"authorization": "Bearer " + key}
	if strings.HasPrefix(option, "grpc") {
		e, err := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpoint(host()), otlpmetricgrpc.WithInsecure(), otlpmetricgrpc.WithHeaders(headers))
		check(err)
		return e
	}
	e, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(host()), otlpmetrichttp.WithInsecure(), otlpmetrichttp.WithHeaders(headers))
	check(err)
	return e
}

func health(service string) (healthpb.HealthCheckResponse_ServingStatus, error) {
	c, err := grpc.NewClient(host(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	defer c.Close()
	answer, err := healthpb.NewHealthClient(c).Check(context.Background(), &healthpb.HealthCheckRequest{Service: service})
	return answer.GetStatus(), err
}

// All three signals: a log record and a span for each number, and one sum of all.
func telemetry() {
	ctx := context.Background()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Print(err) }))
	if strings.HasPrefix(option, "grpc") {
		for _, service := range []string{"", "opentelemetry.proto.collector.logs.v1.LogsService"} {
			if got, err := health(service); err != nil || got != healthpb.HealthCheckResponse_SERVING {
				log.Fatal("health: ", got, err)
			}
		}
		if _, err := health("other"); err == nil {
			log.Fatal("a service that nobody has is healthy")
		}
	}
	e := &patient{Exporter: logs(ctx)}
	p := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(e, sdklog.WithMaxQueueSize(4*batch), sdklog.WithExportMaxBatchSize(batch),
		sdklog.WithExportTimeout(forever))))
	l := p.Logger("sender")
	var t *sdktrace.TracerProvider
	var m *sdkmetric.MeterProvider
	if !strings.HasSuffix(option, "logs") {
		t = sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans(ctx), sdktrace.WithMaxQueueSize(4*batch), sdktrace.WithBlocking()))
		m = sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points(ctx), sdkmetric.WithInterval(time.Hour))))
	}
	n := 0
	numbers(func(number int) {
		ctx := ctx
		if t != nil {
			c, span := t.Tracer("sender").Start(ctx, fmt.Sprintf("span %d", number))
			defer span.End()
			ctx = c
		}
		var r otellog.Record
		r.SetTimestamp(time.Now())
		r.SetBody(attribute.StringValue(text(number)))
		l.Emit(ctx, r)
		if n++; n%batch == 0 { // the processor drops what its queue has no room for
			check(p.ForceFlush(ctx))
		}
	})
	if m != nil {
		sum, err := m.Meter("sender").Int64Counter("sent")
		check(err)
		sum.Add(ctx, int64(count))
		check(m.Shutdown(ctx))
		check(t.Shutdown(ctx))
	}
	check(p.Shutdown(ctx))
	fmt.Println("offered again", e.again.Load())
}

// --- Go's own client of HTTP, for what is posted -----------------------------------------------------------------------

func post() {
	client := &http.Client{Timeout: 30 * time.Second}
	body, at, sent := &strings.Builder{}, 0, 0
	flush := func() {
		for {
			r, _ := http.NewRequest("POST", target, strings.NewReader(body.String()))
			r.Header.Set("Authorization", "Bearer "+key)
			r.Header.Set("Content-Type", "application/x-ndjson")
			r.Header.Set("Idempotency-Key", fmt.Sprintf("%d-%d", first, sent))
			answer, err := client.Do(r)
			if err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if answer.StatusCode == 200 {
					break
				}
			}
			time.Sleep(wait)
		}
		body.Reset()
		at, sent = 0, sent+1
	}
	numbers(func(n int) {
		fmt.Fprintf(body, "{\"n\":%d,\"message\":%q}\n", n, text(n))
		if at++; at == 200 {
			flush()
		}
	})
	if at > 0 {
		flush()
	}
}

func main() {
	log.SetFlags(0)
	kinds := map[string]func(){"elasticsearch": elastic, "forward": forward, "loki": pushLoki, "otel": telemetry, "http": post}
	if len(os.Args) < 7 || kinds[os.Args[1]] == nil {
		log.Fatal("usage: sender KIND URL KEY FIRST COUNT RATE [OPTION]")
	}
	var err error
	target, key = os.Args[2], os.Args[3]
	first, err = strconv.Atoi(os.Args[4])
	check(err)
	count, err = strconv.Atoi(os.Args[5])
	check(err)
	rate, err = strconv.ParseFloat(os.Args[6], 64)
	check(err)
	if len(os.Args) > 7 {
		option = os.Args[7]
	}
	kinds[os.Args[1]]()
}
