// Numbered lines by Docker's own log drivers, as dockerd has them:
//
//	docker DRIVER FIRST COUNT RATE NAME=VALUE...      the driver's options, as `--log-opt` has them
//
// "event N" each, and $EVENT_PADDING behind it. Its container lives until standard input ends: then
// the driver is closed, which sends what it has, once.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/daemon/logger"
	_ "github.com/docker/docker/daemon/logger/fluentd"
	_ "github.com/docker/docker/daemon/logger/splunk"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	options := map[string]string{}
	for _, o := range os.Args[5:] {
		name, value, _ := strings.Cut(o, "=")
		options[name] = value
	}
	first, err := strconv.Atoi(os.Args[2])
	check(err)
	count, err := strconv.Atoi(os.Args[3])
	check(err)
	rate, err := strconv.ParseFloat(os.Args[4], 64)
	check(err)
	create, err := logger.GetLogDriver(os.Args[1])
	check(err)
	check(logger.ValidateLogOpts(os.Args[1], options))
	driver, err := create(logger.Info{Config: options, ContainerID: "0123456789abcdef0123456789abcdef", ContainerName: "/web", ContainerImageName: "shop",
		ContainerEntrypoint: "web", DaemonName: "docker"})
	check(err)
	began := time.Now()
	for i := 0; i < count; i++ {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		}
		m := logger.NewMessage() // the driver gives it back
		m.Line = append(m.Line, fmt.Sprintf("event %d", first+i)+os.Getenv("EVENT_PADDING")...)
		m.Source, m.Timestamp = "stdout", time.Now()
		check(driver.Log(m))
	}
	fmt.Println("all given")
	_, _ = io.Copy(io.Discard, os.Stdin)
	check(driver.Close())
}
