package hook

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
)

// envelope is a CloudEvent 1.0.
type envelope struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject"`
	Time        string          `json:"time"`
	ContentType string          `json:"datacontenttype"`
	Data        json.RawMessage `json:"data"`
	Base64      string          `json:"data_base64"`
}

// maxBatch bounds the events of one call.
const maxBatch = 500

// envelopes reads structured, batched and binary mode. A CDEvent without an envelope is
// taken as one whose envelope says what its context says.
func envelopes(in input) ([]envelope, error) {
	media, _, err := mime.ParseMediaType(in.header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	var out []envelope
	switch {
	case media == "application/cloudevents-batch+json":
		if err := decode(in.body, &out); err != nil {
			return nil, err
		}
		if len(out) > maxBatch {
			return nil, invalid("body", fmt.Sprint(len(out)), fmt.Sprintf("at most %d events", maxBatch))
		}
	case media == "application/cloudevents+json":
		out = make([]envelope, 1)
		if err := decode(in.body, &out[0]); err != nil {
			return nil, err
		}
	case in.header.Get("Ce-Id") != "" || in.header.Get("Ce-Type") != "":
		e := envelope{ContentType: media, Data: in.body}
		for name, into := range map[string]*string{"Ce-Specversion": &e.SpecVersion, "Ce-Id": &e.ID, "Ce-Source": &e.Source, "Ce-Type": &e.Type, "Ce-Subject": &e.Subject, "Ce-Time": &e.Time} {
			text, err := url.PathUnescape(in.header.Get(name)) // the HTTP binding percent-encodes
			if err != nil {
				return nil, invalid(name, in.header.Get(name), "percent-encoded text")
			}
			*into = text
		}
		out = append(out, e)
	case in.source == "cdevents":
		e, err := ReadEvent(in.body)
		if err != nil {
			return nil, err
		}
		return []envelope{{SpecVersion: "1.0", ID: e.Context.ID, Source: e.Context.Source, Type: e.Context.Type, Time: e.Context.Timestamp, Data: in.body}}, nil
	default:
		return nil, invalid("Content-Type", in.header.Get("Content-Type"), "application/cloudevents+json, application/cloudevents-batch+json, or the headers ce-id, ce-source, ce-type and ce-specversion")
	}
	for i, e := range out {
		at := func(name string) string {
			if len(out) == 1 {
				return name
			}
			return fmt.Sprintf("[%d].%s", i, name)
		}
		switch {
		case e.SpecVersion != "1.0":
			return nil, invalid(at("specversion"), e.SpecVersion, "1.0")
		case e.ID == "" || e.Source == "" || e.Type == "":
			return nil, invalid(at("id"), e.ID, "an event with id, source and type")
		case len(e.ID)+len(e.Source) > 1000:
			return nil, invalid(at("id"), e.ID, "an ID and a source of at most 1000 bytes")
		}
		if e.Time != "" {
			if _, err := time.Parse(time.RFC3339Nano, e.Time); err != nil {
				return nil, invalid(at("time"), e.Time, "a time as 2026-03-02T12:00:00Z")
			}
		}
		if e.Base64 != "" {
			if out[i].Data, err = base64.StdEncoding.DecodeString(e.Base64); err != nil {
				return nil, invalid(at("data_base64"), e.Base64, "base64")
			}
		}
	}
	return out, nil
}

// cloudevents reads CDEvents, and events whose data is a change as POST /changes has it.
func cloudevents(in input) (d act.Delivery, ignored string, err error) {
	events, err := envelopes(in)
	if err != nil {
		return d, "", err
	}
	if len(events) == 0 {
		return d, "an empty batch", nil
	}
	for i, e := range events {
		d.IDs = append(d.IDs, "event:"+e.Source+"#"+e.ID)
		if strings.HasPrefix(e.Type, "dev.cdevents.") {
			ev, err := ReadEvent(e.Data)
			if err != nil {
				return act.Delivery{}, "", at(i, len(events), err)
			}
			why := ev.tell(in, &d)
			if why != "" {
				ignored = why
			}
			continue
		}
		if in.source == "cdevents" {
			return act.Delivery{}, "", invalid("type", e.Type, "a type of CDEvents; other events go to /hooks/cloudevents")
		}
		c, why, err := e.change(in)
		if err != nil {
			return act.Delivery{}, "", at(i, len(events), err)
		}
		if why != "" {
			ignored = why
			continue
		}
		d.Changes = append(d.Changes, c)
	}
	return d, ignored, nil
}

func at(i, of int, err error) error {
	if of > 1 {
		return fmt.Errorf("event %d: %w", i, err)
	}
	return err
}

// change reads the data of an event that is a change in our own words.
func (e envelope) change(in input) (c act.Change, ignored string, err error) {
	var data struct {
		ID        string            `json:"id"`
		Kind      act.ChangeKind    `json:"kind"`
		Summary   string            `json:"summary"`
		Service   string            `json:"service"`
		Resources []string          `json:"resources"`
		Actor     string            `json:"actor"`
		From      string            `json:"from"`
		To        string            `json:"to"`
		URL       string            `json:"url"`
		Labels    map[string]string `json:"labels"`
		Verdict   string            `json:"verdict"`
		Evidence  act.Evidence      `json:"evidence"`
		StartedAt time.Time         `json:"started_at"`
		EndedAt   time.Time         `json:"ended_at"`
	}
	if len(e.Data) == 0 {
		return c, "an event without data alters nothing", nil
	}
	if err := decode(e.Data, &data); err != nil {
		return c, "", err
	}
	if data.Kind == "" {
		return c, "the data of " + cut(e.Type) + " has no kind: a change has the fields of POST /changes", nil
	}
	c = act.Change{
		ID: data.ID, Kind: data.Kind, Summary: line(data.Summary), Resources: data.Resources, Actor: line(data.Actor), Source: "cloudevents", From: data.From, To: data.To,
		URL: data.URL, Labels: data.Labels, Verdict: data.Verdict, Evidence: data.Evidence, StartedAt: data.StartedAt, EndedAt: data.EndedAt,
	}
	if c.ID == "" {
		c.ID = changeID("ce", e.Source, e.ID)
	}
	if c.StartedAt.IsZero() && e.Time != "" {
		c.StartedAt, _ = time.Parse(time.RFC3339Nano, e.Time) // envelopes has looked
	}
	if c.Actor == "" {
		c.Actor = line(e.Source)
	}
	if data.Service != "" {
		in.on(&c, "component/default/"+strings.ToLower(data.Service), data.Service)
	}
	return c, "", nil
}

// tell adds what a CDEvent means to a delivery, or says why it means nothing here.
func (e *Event) tell(in input, d *act.Delivery) (ignored string) {
	var content struct {
		Environment struct {
			ID string `json:"id"`
		} `json:"environment"`
		ArtifactID string `json:"artifactId"`
		Name       string `json:"name"`
		Repository struct {
			ID string `json:"id"`
		} `json:"repository"`
	}
	if len(e.Subject.Content) > 0 && json.Unmarshal(e.Subject.Content, &content) != nil {
		return "its content has another form than this version knows"
	}
	subject, verb, _ := strings.Cut(e.Kind(), ".")
	kind, what := act.ChangeKind(""), ""
	switch e.Kind() {
	case "service.deployed", "service.upgraded":
		kind, what = act.Deploy, "deploy"
	case "service.rolledback":
		kind, what = act.Rollback, "rollback"
	case "service.published":
		kind, what = act.Network, "publication"
	case "service.removed":
		kind, what = act.Infrastructure, "removal"
	case "environment.created", "environment.modified", "environment.deleted":
		kind, what = act.Infrastructure, "environment "+verb
	case "change.merged", "change.reviewed", "change.created", "change.updated":
		m := act.Merge{ID: "cdevents:" + content.Repository.ID + "#" + e.Subject.ID, Repository: content.Repository.ID, Title: line(e.Subject.ID)}
		switch verb {
		case "merged":
			m.MergedAt = e.At()
		case "reviewed":
			m.ReviewedAt = e.At()
		case "created":
			m.CreatedAt = e.At()
		}
		d.Merges = append(d.Merges, m)
		return "a change of code alters nothing before it is deployed; it is remembered for the lead time"
	default:
		return "a " + subject + " that is " + verb + " alters nothing in production"
	}
	actor, _ := e.custom()["actor"].(string)
	if actor == "" {
		actor = e.Context.Source
	}
	c := act.Change{
		ID: changeID("cdevents", e.Context.Source, e.Context.ID), Kind: kind, Actor: line(actor), Source: "cdevents", To: artifactVersion(content.ArtifactID),
		StartedAt: e.At(), EndedAt: e.At(), Summary: line(fmt.Sprintf("%s of %s", what, e.Subject.ID)),
		Labels: map[string]string{"cdevents.type": e.Context.Type}, Evidence: act.Evidence{Environment: line(content.Environment.ID)},
	}
	if content.ArtifactID != "" {
		c.Labels["artifact"] = line(content.ArtifactID)
		c.Summary = line(c.Summary + " " + c.To)
	}
	if e.Context.ChainID != "" {
		c.Labels["cdevents.chain"] = line(e.Context.ChainID)
	}
	if subject == "environment" {
		c.Evidence.Environment = line(e.Subject.ID)
		if content.Name != "" {
			c.Evidence.Environment = line(content.Name)
		}
	}
	name := e.Subject.ID[strings.LastIndexByte(e.Subject.ID, '/')+1:]
	in.on(&c, subject+"/default/"+strings.ToLower(e.Subject.ID), e.Subject.ID, name, artifactName(content.ArtifactID))
	d.Changes = append(d.Changes, c)
	return ""
}

// artifactVersion is the version of a package URL: its tag where it names one.
func artifactVersion(purl string) string {
	rest, query, _ := strings.Cut(purl, "?")
	if q, err := url.ParseQuery(query); err == nil && q.Get("tag") != "" {
		return line(q.Get("tag"))
	}
	_, version, _ := strings.Cut(rest, "@")
	version, _, _ = strings.Cut(version, "#")
	if v, err := url.PathUnescape(version); err == nil {
		version = v
	}
	if algo, sum, ok := strings.Cut(version, ":"); ok && len(sum) > 12 {
		return line(algo + ":" + sum[:12])
	}
	return line(version)
}

// artifactName is the last part of a package URL's name.
func artifactName(purl string) string {
	rest, _, _ := strings.Cut(purl, "@")
	rest, _, _ = strings.Cut(rest, "?")
	return rest[strings.LastIndexByte(rest, '/')+1:]
}
