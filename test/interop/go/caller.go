package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

type options struct {
	deadline time.Time
	headers  map[string]string
}

// meshError is an outcome that is not completed, or an error about the question (4).
type meshError struct {
	Status  string `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Retry   string `json:"retry"`
	Help    string `json:"help"`
}

func (e *meshError) Error() string {
	return fmt.Sprintf("%s: [%s] %s\n%s", e.Status, e.Code, e.Message, e.Help)
}

func exitCode(err error) int {
	var e *meshError
	if errors.As(err, &e) {
		switch e.Status {
		case "refused":
			return 3
		case "expired", "unknown":
			return 4
		}
	}
	return 1
}

// newCallID makes a lowercase ULID: 48 bits of time, 80 of chance (3).
func newCallID() string {
	id := make([]byte, 26)
	for t, i := time.Now().UnixMilli(), 9; i >= 0; t, i = t>>5, i-1 {
		id[i] = crockford[t&31]
	}
	_, _ = rand.Read(id[10:])
	for i := 10; i < 26; i++ {
		id[i] = crockford[id[i]&31]
	}
	return string(id)
}

// ask is one request whose reply is the outcome (2).
func (m *Mesh) ask(capability string, body []byte, o options) ([]byte, error) {
	msg := nats.NewMsg("mesh.v1.ask." + m.me + "." + capability)
	msg.Data = body
	msg.Header.Set("Mesh-Deadline", millis(o.deadline))
	reply, err := m.nc.RequestMsg(msg, time.Until(o.deadline)+2*time.Second)
	if err != nil {
		return nil, err
	}
	return outcomeOf(reply)
}

// call publishes, waits for the outcome, and recalls it after silence (3).
func (m *Mesh) call(capability string, body []byte, o options) ([]byte, error) {
	id := newCallID()
	msg := nats.NewMsg("mesh.v1.call." + m.me + "." + capability)
	msg.Data = body
	msg.Header.Set("Mesh-Call", id)
	msg.Header.Set("Mesh-Deadline", millis(o.deadline))
	for name, value := range o.headers {
		msg.Header.Set(name, value)
	}
	news := m.news.add(id)
	defer m.news.remove(id)
	if err := m.offer(msg); err != nil {
		return nil, err
	}
	look := time.Until(o.deadline) + 1500*time.Millisecond
	for pause := 100 * time.Millisecond; time.Now().Before(o.deadline.Add(30 * time.Second)); pause = min(2*pause, 1500*time.Millisecond) {
		var heard *nats.Msg
		select {
		case heard = <-news:
		case <-time.After(look):
		}
		if heard == nil {
			reply, err := m.nc.Request("mesh.v1.recall."+m.me+"."+id, nil, 1500*time.Millisecond)
			if err == nil && reply.Header.Get("Mesh-Outcome") != "" {
				heard = reply
			}
		}
		if heard != nil {
			return outcomeOf(heard)
		}
		look = pause
	}
	return nil, &meshError{Code: "outcome_pending", Message: "no outcome yet; the call may still run"}
}

// offer publishes until it is acknowledged, always with the same id.
func (m *Mesh) offer(msg *nats.Msg) error {
	for until := time.Now().Add(2 * time.Second); time.Now().Before(until); {
		reply, err := m.nc.RequestMsg(msg, 750*time.Millisecond)
		if errors.Is(err, nats.ErrNoResponders) {
			time.Sleep(750 * time.Millisecond)
		}
		if err != nil {
			continue
		}
		var ack struct {
			Error *struct {
				Description string `json:"description"`
			} `json:"error"`
		}
		if err := json.Unmarshal(reply.Data, &ack); err != nil || ack.Error == nil {
			return err
		}
		return &meshError{Code: "storage_full", Message: ack.Error.Description, Retry: "same_id"}
	}
	return &meshError{Code: "unavailable", Message: "the mesh did not accept the call", Retry: "same_id"}
}

func outcomeOf(msg *nats.Msg) ([]byte, error) {
	var record struct{ Status string }
	_ = json.Unmarshal([]byte(msg.Header.Get("Mesh-Outcome")), &record)
	if record.Status == "completed" {
		return msg.Data, nil
	}
	e := &meshError{Status: record.Status}
	if err := json.Unmarshal(msg.Data, e); err != nil {
		return nil, err
	}
	return nil, e
}

func millis(t time.Time) string {
	return strconv.FormatInt(t.UnixMilli(), 10)
}

// waiting holds the calls that wait for their outcome.
type waiting struct {
	mu    sync.Mutex
	calls map[string]chan *nats.Msg
}

func (w *waiting) add(id string) chan *nats.Msg {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[id] = make(chan *nats.Msg, 4)
	return w.calls[id]
}

func (w *waiting) remove(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.calls, id)
}

// heard believes only what the server itself sent from the register.
func (w *waiting) heard(msg *nats.Msg) {
	if msg.Header.Get("Nats-Stream") == "OUTCOMES" {
		w.tell(msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:], msg)
	}
}

// lookAgain after a reconnect: hints may have been lost.
func (w *waiting) lookAgain() {
	w.mu.Lock()
	ids := make([]string, 0, len(w.calls))
	for id := range w.calls {
		ids = append(ids, id)
	}
	w.mu.Unlock()
	for _, id := range ids {
		w.tell(id, nil)
	}
}

func (w *waiting) tell(id string, msg *nats.Msg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.calls[id] <- msg:
	default: // nobody waits, or enough was said
	}
}
