// A caller and an agent of the mesh on plain nats.go, written from docs/protocol.md; the numbers are its sections.
//
//	interop call <capability> <json>     one durable call
//	interop ask <capability> <json>      one request
//	interop serve <capability>           an agent that echoes; with --child <capability> it asks that one first
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

func main() {
	if len(os.Args) < 3 {
		fail(2, "usage: interop call|ask|serve <capability> …")
	}
	mesh, err := connect()
	if err != nil {
		fail(1, err)
	}
	verb, capability, rest := os.Args[1], os.Args[2], os.Args[3:]
	if verb == "serve" {
		child := ""
		if len(rest) == 2 && rest[0] == "--child" {
			child = rest[1]
		}
		if err := mesh.serve(capability, child); err != nil {
			fail(1, err)
		}
		return
	}
	body := []byte("null")
	if len(rest) > 0 {
		body = []byte(rest[0])
	}
	run := mesh.call
	if verb == "ask" {
		run = mesh.ask
	}
	result, err := run(capability, body, options{deadline: time.Now().Add(30 * time.Second)})
	if err != nil {
		fail(exitCode(err), err)
	}
	fmt.Println(string(result))
}

// Mesh is a connection under one name.
type Mesh struct {
	nc   *nats.Conn
	me   string
	news waiting
}

// connect with the credentials in MESH_CREDS to the server in MESH_URL (1).
func connect() (*Mesh, error) {
	text, err := os.ReadFile(os.Getenv("MESH_CREDS"))
	if err != nil {
		return nil, err
	}
	var who struct{ Name, Seed string }
	if err := json.Unmarshal(text, &who); err != nil {
		return nil, err
	}
	pair, err := nkeys.FromSeed([]byte(who.Seed))
	if err != nil {
		return nil, err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, err
	}
	mesh := &Mesh{me: who.Name, news: waiting{calls: map[string]chan *nats.Msg{}}}
	mesh.nc, err = nats.Connect(os.Getenv("MESH_URL"),
		nats.Name(who.Name),
		nats.Nkey(public, pair.Sign),
		nats.CustomInboxPrefix("_INBOX."+who.Name),
		nats.MaxReconnects(-1),
		nats.PingInterval(10*time.Second),
		nats.ReconnectHandler(func(*nats.Conn) { mesh.news.lookAgain() }),
	)
	if err != nil {
		return nil, err
	}
	_, err = mesh.nc.Subscribe("mesh.v1.outcome."+mesh.me+".*", mesh.news.heard)
	return mesh, err
}

func fail(code int, why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(code)
}
