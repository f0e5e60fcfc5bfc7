package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

const concurrency = 8

// agent is one instance (5).
type agent struct {
	mesh     *Mesh
	instance string
	child    string
	mu       sync.Mutex
	running  map[string]bool
	kept     map[string]*kept
	draining bool
}

// kept is a result that no gateway has taken yet.
type kept struct {
	msg        *nats.Msg
	born, said time.Time
}

// serve presents a card with one capability, and answers its tasks until it is told to stop.
func (m *Mesh) serve(capability, child string) error {
	random := make([]byte, 6)
	_, _ = rand.Read(random)
	a := &agent{mesh: m, instance: fmt.Sprintf("i-%x", random), child: child, running: map[string]bool{}, kept: map[string]*kept{}}
	hello, err := a.hello(capability)
	if err != nil {
		return err
	}
	if _, err := m.nc.QueueSubscribe("mesh.v1.task."+m.me+"."+hello.Token+".>", "mesh", a.task); err != nil {
		return err
	}
	if _, err := m.nc.Subscribe("mesh.v1.taken."+m.me+"."+a.instance, a.taken); err != nil {
		return err
	}
	if err := m.nc.Flush(); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	pulse := time.NewTicker(time.Duration(hello.BeatMs) * time.Millisecond)
	a.beat()
	fmt.Printf("%s serves %s\n", m.me, capability)
	var leaveBy time.Time
	for {
		select {
		case <-stop:
			a.drain()
			leaveBy = time.Now().Add(5 * time.Second)
			a.beat()
		case <-pulse.C:
			a.beat()
			a.sayAgain()
		}
		if !leaveBy.IsZero() && (a.idle() || time.Now().After(leaveBy)) {
			_ = m.nc.PublishMsg(a.presence("bye"))
			return m.nc.Drain()
		}
	}
}

type helloReply struct {
	Token  string `json:"token"`
	BeatMs int    `json:"beatMs"`
}

func (a *agent) hello(capability string) (helloReply, error) {
	var reply helloReply
	msg := a.presence("hello")
	msg.Data, _ = json.Marshal(map[string]any{
		"concurrency":  concurrency,
		"capabilities": []any{map[string]any{"name": capability, "version": "1.0", "idempotent": true}},
	})
	answer, err := a.mesh.nc.RequestMsg(msg, 15*time.Second)
	if err != nil {
		return reply, err
	}
	if answer.Header.Get("Nats-Service-Error-Code") != "" {
		_, err := outcomeOf(answer)
		return reply, err
	}
	return reply, json.Unmarshal(answer.Data, &reply)
}

func (a *agent) presence(word string) *nats.Msg {
	msg := nats.NewMsg("mesh.v1." + word + "." + a.mesh.me + "." + a.instance)
	msg.Header.Set("Mesh-Instance", a.instance)
	return msg
}

func (a *agent) beat() {
	a.mu.Lock()
	defer a.mu.Unlock()
	state := "ready"
	if a.draining {
		state = "draining"
	}
	msg := a.presence("beat")
	msg.Data, _ = json.Marshal(map[string]any{"state": state, "inFlight": len(a.running), "concurrency": concurrency})
	_ = a.mesh.nc.PublishMsg(msg)
}

func (a *agent) task(msg *nats.Msg) {
	ticket, key := msg.Header.Get("Mesh-Ticket"), msg.Header.Get("Mesh-Key")
	if ticket == "" || msg.Reply == "" {
		return // not from a gateway
	}
	deadline, _ := strconv.ParseInt(msg.Header.Get("Mesh-Deadline"), 10, 64)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.draining || a.running[key] || len(a.running) >= concurrency || deadline <= time.Now().UnixMilli() {
		_ = a.mesh.nc.PublishMsg(result(msg.Reply, "busy", nil))
		return
	}
	a.running[key] = true
	go a.run(msg, key, ticket, time.UnixMilli(deadline))
}

// run echoes the body; with a child, what that one answered stands beside it (6).
func (a *agent) run(msg *nats.Msg, key, ticket string, deadline time.Time) {
	body := json.RawMessage(msg.Data)
	if len(body) == 0 {
		body = json.RawMessage("null")
	}
	answer := map[string]any{"echo": body}
	status := ""
	if a.child != "" {
		o := options{deadline: deadline.Add(-100 * time.Millisecond), headers: map[string]string{"Mesh-Ticket": ticket, "Mesh-Child": "0"}}
		value, err := a.mesh.call(a.child, body, o)
		if err != nil {
			status, answer = "failed", map[string]any{"message": err.Error()}
		} else {
			answer["child"] = json.RawMessage(value)
		}
	}
	data, _ := json.Marshal(answer)
	out := result(msg.Reply, status, data)
	a.mu.Lock()
	delete(a.running, key)
	a.kept[strings.Split(msg.Reply, ".")[5]] = &kept{msg: out, born: time.Now(), said: time.Now()}
	a.mu.Unlock()
	_ = a.mesh.nc.PublishMsg(out)
}

func (a *agent) taken(msg *nats.Msg) {
	var list struct{ Seqs []int64 }
	if len(msg.Header) == 0 || json.Unmarshal(msg.Data, &list) != nil {
		return // what the server writes has no headers
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, seq := range list.Seqs {
		delete(a.kept, strconv.FormatInt(seq, 10))
	}
}

// sayAgain what was not taken, to any gateway: the one that asked may have died.
func (a *agent) sayAgain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for seq, k := range a.kept {
		if time.Since(k.said) > time.Second {
			tokens := strings.Split(k.msg.Subject, ".")
			tokens[4] = "any"
			again := result(strings.Join(tokens, "."), k.msg.Header.Get("Mesh-Status"), k.msg.Data)
			_ = a.mesh.nc.PublishMsg(again)
			k.said = time.Now()
		}
		if time.Since(k.born) > 2*time.Minute {
			delete(a.kept, seq)
		}
	}
}

func (a *agent) drain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.draining = true
}

func (a *agent) idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.running)+len(a.kept) == 0
}

func result(to, status string, data []byte) *nats.Msg {
	msg := nats.NewMsg(to)
	msg.Data = data
	if status != "" {
		msg.Header.Set("Mesh-Status", status)
	}
	return msg
}
