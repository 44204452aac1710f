package otlp

import (
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/evenkeel/evenkeel/observe"
)

// message is an answer in either encoding.
type message interface {
	MarshalJSON() ([]byte, error)
	MarshalProto() ([]byte, error)
}

// serve is OTLP/HTTP for one signal: it reads the body and answers in the encoding of
// the request. refused counts requests that are refused whole.
func serve(w http.ResponseWriter, req *http.Request, limit int64, refused func(reason string), export func(kind string, body []byte) (message, *observe.Refusal)) {
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || (kind != protobufType && kind != jsonType) {
		refused("malformed")
		answer(w, protobufType, &observe.Refusal{
			Status: http.StatusUnsupportedMediaType, Reason: "malformed", Where: "Content-Type",
			Got: fmt.Sprintf("%q", req.Header.Get("Content-Type")), Want: protobufType + " or " + jsonType,
		})
		return
	}
	body, refusal := observe.Body(w, req, limit)
	if refusal != nil {
		refused(refusal.Reason)
		answer(w, kind, refusal)
		return
	}
	resp, refusal := export(kind, body)
	if refusal != nil {
		if refusal.Reason != "store" && refusal.Reason != "quota" { // those are counted by the row
			refused(refusal.Reason)
		}
		answer(w, kind, refusal)
		return
	}
	var out []byte
	if kind == jsonType {
		out, err = resp.MarshalJSON()
	} else {
		out, err = resp.MarshalProto()
	}
	if err != nil {
		answer(w, kind, ours(err))
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(out)
}

// decode reads a request, and turns the panics that the decoder has for some malformed
// input into errors.
func decode(name, kind string, body []byte, fromJSON, fromProto func([]byte) error) (refusal *observe.Refusal) {
	bad := func(text string) *observe.Refusal {
		return &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "an " + name + ": " + text}
	}
	defer func() {
		if p := recover(); p != nil {
			refusal = bad(fmt.Sprint("malformed: ", p))
		}
	}()
	read := fromProto
	if kind == jsonType {
		read = fromJSON
	}
	if err := read(body); err != nil {
		return bad(err.Error())
	}
	return nil
}

// ours makes a refusal of an error of the store.
func ours(err error) *observe.Refusal {
	if err == nil {
		return nil
	}
	var r *observe.Refusal
	if errors.As(err, &r) {
		return r
	}
	return &observe.Refusal{Status: http.StatusServiceUnavailable, Reason: "store", Want: err.Error()}
}

// answer answers with a google.rpc.Status in the request's own encoding, as OTLP asks.
func answer(w http.ResponseWriter, kind string, refusal *observe.Refusal) {
	code := codes.InvalidArgument
	switch {
	case refusal.Status == http.StatusTooManyRequests:
		code = codes.ResourceExhausted
	case refusal.Status >= http.StatusInternalServerError:
		code = codes.Unavailable
	}
	st := &spb.Status{Code: int32(code), Message: refusal.Error()}
	var out []byte
	var err error
	if kind == jsonType {
		out, err = protojson.Marshal(st)
	} else {
		out, err = proto.Marshal(st)
	}
	if err != nil {
		http.Error(w, refusal.Error(), refusal.Status)
		return
	}
	refusal.RetryAfter(w.Header())
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(refusal.Status)
	_, _ = w.Write(out)
}

// source is the host that a request comes from.
func source(req *http.Request) string { return host(req.RemoteAddr) }

func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}
