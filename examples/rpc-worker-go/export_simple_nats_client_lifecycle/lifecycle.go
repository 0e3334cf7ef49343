// Package export_simple_nats_client_lifecycle is begin and end of an instance.
package export_simple_nats_client_lifecycle

import (
	"fmt"

	. "go.bytecodealliance.org/pkg/wit/types"
	"wit_component/simple_nats_client_client"
	"wit_component/simple_nats_client_subscriber"
)

// Start joins the queue group `workers` on `rpc.sum`.
func Start() Result[Unit, string] {
	options := simple_nats_client_client.ConnectOptions{}
	client := simple_nats_client_client.Connect(None[string](), options)
	if client.IsErr() {
		return Err[Unit, string](fmt.Sprintf("connect: %+v", client.Err()))
	}
	sid := simple_nats_client_subscriber.Subscribe(client.Ok(), "rpc.sum", Some("workers"))
	if sid.IsErr() {
		return Err[Unit, string](fmt.Sprintf("subscribe: %+v", sid.Err()))
	}
	fmt.Println("rpc-worker answers on rpc.sum")
	return Ok[Unit, string](Unit{})
}

// Stop has nothing to do.
func Stop() {}
