// Package export_simple_nats_client_handler is the callbacks.
package export_simple_nats_client_handler

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	. "go.bytecodealliance.org/pkg/wit/types"
	"wit_component/simple_nats_client_publisher"
	"wit_component/simple_nats_client_types"
	"wit_component/worker"
)

// OnMessage answers with the sum, and publishes it on `rpc.sum.done`. A panic
// goes to the log with its stack, and fails this message alone.
func OnMessage(message simple_nats_client_types.Message) (result Result[Unit, string]) {
	defer func() {
		if reason := recover(); reason != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", reason, debug.Stack())
			result = failed(fmt.Errorf("panic: %v", reason))
		}
	}()
	if err := answer(message); err != nil {
		return failed(err)
	}
	return Ok[Unit, string](Unit{})
}

func answer(message simple_nats_client_types.Message) error {
	sum, err := worker.Sum(string(message.Payload))
	if err != nil {
		return err
	}
	payload := []byte(strconv.FormatInt(sum, 10))
	if message.ReplyTo.IsSome() {
		if err := publish(message.Client, message.ReplyTo.Some(), payload); err != nil {
			return err
		}
	}
	return publish(message.Client, "rpc.sum.done", payload)
}

func publish(client uint32, subject string, payload []byte) error {
	result := simple_nats_client_publisher.Publish(client, subject, payload)
	if result.IsErr() {
		return fmt.Errorf("publish to %s: %+v", subject, result.Err())
	}
	return nil
}

func failed(err error) Result[Unit, string] {
	return Err[Unit, string](strings.ToValidUTF8(err.Error(), "\uFFFD"))
}

// OnReply has nothing to do: no requests are sent.
func OnReply(uint64, Result[Option[simple_nats_client_types.Message], simple_nats_client_types.Error], bool) {
}

// OnEvent has nothing to do: the host reconnects by itself.
func OnEvent(uint32, simple_nats_client_types.Event) {}

// OnTimer has nothing to do: no timers are set.
func OnTimer(uint64) {}
