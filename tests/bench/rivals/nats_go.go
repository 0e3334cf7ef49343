// nats.go as its examples show it: a callback for each subscription.
//
// usage: nats-go HOST:PORT NAME CLIENTS
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

func check(err error) {
	if err != nil {
		log.Fatal("nats.go: ", err)
	}
}

// tally answers with count and bytes where asked.
func tally(size func(*nats.Msg) int) nats.MsgHandler {
	var count, sum int
	return func(message *nats.Msg) {
		count++
		sum += size(message)
		if message.Reply != "" {
			check(message.Respond([]byte(fmt.Sprintf("%d %d", count, sum))))
		}
	}
}

func order(message *nats.Msg) (count, size, inFlight int) {
	var numbers []int
	check(json.Unmarshal(message.Data, &numbers))
	return numbers[0], numbers[1], numbers[len(numbers)-1]
}

func request(client *nats.Conn, count int, payload []byte) {
	for i := 0; i < count; i++ {
		_, err := client.Request("bench.service", payload, 10*time.Second)
		check(err)
	}
}

func serve(url, name string) {
	client, err := nats.Connect(url, nats.Name(name))
	check(err)
	subscribe := func(subject string, callback nats.MsgHandler) {
		_, err := client.Subscribe(subject, callback)
		check(err)
	}
	subscribe("bench.in", tally(func(message *nats.Msg) int { return len(message.Data) }))
	subscribe("bench.headers", tally(func(message *nats.Msg) int {
		return len(message.Header.Get("Trace-Id"))
	}))
	subscribe("bench.echo", func(message *nats.Msg) { check(message.Respond(message.Data)) })
	subscribe("bench.publish", func(message *nats.Msg) {
		count, size, _ := order(message)
		payload := bytes.Repeat([]byte("x"), size)
		for i := 0; i < count; i++ {
			check(client.Publish("bench.out", payload))
		}
		check(message.Respond(nil))
	})
	subscribe("bench.request", func(message *nats.Msg) {
		count, size, inFlight := order(message)
		payload := bytes.Repeat([]byte("x"), size)
		var all sync.WaitGroup
		for i := 0; i < inFlight; i++ {
			all.Add(1)
			go func(count int) {
				request(client, count, payload)
				all.Done()
			}((count + i) / inFlight)
		}
		all.Wait()
		check(message.Respond(nil))
	})
	check(client.Flush())
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: nats-go HOST:PORT NAME CLIENTS")
	}
	clients, err := strconv.Atoi(os.Args[3])
	check(err)
	for i := 0; i < clients; i++ {
		serve("nats://"+os.Args[1], fmt.Sprintf("%s-%d", os.Args[2], i))
	}
	select {}
}
