// Telegraf's input plugin `firehose`, which takes what Firehose sends to HTTP endpoints, without Telegraf's agent
// around it: the agent answers before it writes, so a kill would lose what sluice was told is there. Here a record is
// in the file when the plugin answers.
//
//	receiver ADDRESS ACCESS_KEY FILE
//
// A line for each record: {"data": base64, "tags": {...}}.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/logger"
	"github.com/influxdata/telegraf/plugins/inputs"
	"github.com/influxdata/telegraf/plugins/inputs/firehose"
	"github.com/influxdata/telegraf/plugins/parsers/value"
)

// toFile is told of every record; what it does not have itself, the plugin does not call.
type toFile struct {
	telegraf.Accumulator
	out *os.File
}

func (f toFile) AddMetric(m telegraf.Metric) {
	data, _ := m.GetField("value")
	line, err := json.Marshal(map[string]any{"data": data, "tags": m.Tags()})
	if err == nil {
		_, err = f.out.Write(append(line, '\n'))
	}
	if err != nil {
		panic(err) // it must not answer that all is well
	}
}

func (f toFile) AddError(err error) {
	fmt.Fprintln(os.Stderr, "refused:", err)
}

func run(address, key, path string) error {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	parser := &value.Parser{DataType: "base64"} // byte for byte, whatever is in a record
	if err := parser.Init(); err != nil {
		return err
	}
	plugin := inputs.Inputs["firehose"]().(*firehose.Firehose)
	plugin.ServiceAddress = address
	plugin.Paths = []string{"/firehose"}
	plugin.AccessKey = config.NewSecret([]byte(key))
	plugin.ParameterTags = []string{"env"}
	// Requests of 64 MiB, on a machine that has other things to do.
	plugin.ReadTimeout = config.Duration(time.Minute)
	plugin.WriteTimeout = config.Duration(time.Minute)
	plugin.Log = logger.New("inputs", "firehose", "")
	plugin.SetParser(parser)
	if err := plugin.Init(); err != nil {
		return err
	}
	if err := plugin.Start(toFile{out: out}); err != nil {
		return err
	}
	select {}
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: receiver ADDRESS ACCESS_KEY FILE")
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, run(os.Args[1], os.Args[2], os.Args[3]))
	os.Exit(1)
}
