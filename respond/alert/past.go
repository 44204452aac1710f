package alert

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protodelim"
)

// What the notification log keeps of a message beside Alertmanager's own fields, so that a
// restart knows which incident has paged whom, and what was sent that a kill has kept from
// being recorded.
const (
	pastIncidents = "evenkeel.incidents" // as 1,3
	pastNotice    = "evenkeel.notice"    // page, update, or covered: an update stood for the group
	pastTold      = "evenkeel.told"      // messages of the episode until then
	pastAt        = "evenkeel.at_ms"
	pastFindings  = "evenkeel.findings" // as [1,2]
	noticeCovered = "covered"
	// maxPastFindings bounds what a message adds to the log.
	maxPastFindings = 500
)

// past is what the notification log says of one group and receiver.
type past struct {
	receiver, kind, integration, group, notice string
	incidents                                  []int64
	told                                       int
	at                                         time.Time
	findings                                   []int64
	firing                                     bool
}

// note writes into the notification log what was told. It comes before the record in the
// database, and waits for no disk: what was sent and is not in the log is sent again after a
// kill.
func (p *Pipeline) note(all []delivery) error {
	for i := range all {
		x := &all[i]
		if store, ok := notify.NflogStore(x.j.ctx); ok {
			x.remember(p, store)
		}
		if _, _, err := x.j.s.note.Exec(x.j.ctx, p.o.Logger, x.j.alerts...); err != nil {
			return fmt.Errorf("cannot note what was told: %w", err)
		}
	}
	return p.log.write()
}

// noted frees the group and has the delivery recorded.
func (p *Pipeline) noted(x delivery, err error) {
	if err != nil {
		p.o.Logger.Error("cannot keep what was told", "receiver", x.receiver, "err", err)
	}
	if x.status != "" {
		p.records.add(x)
	}
	x.j.f.receiverDone(true)
}

// remember puts what a restart must know into the entry of the notification log.
func (x *delivery) remember(p *Pipeline, store *nflog.Store) {
	v := &x.j.verdict
	if x.status == "" && !v.drop {
		return
	}
	store.SetInt(pastAt, x.at.UnixMilli())
	var numbers []string
	for _, k := range v.keys {
		numbers = append(numbers, strconv.FormatInt(k.incident, 10))
	}
	store.SetStr(pastIncidents, strings.Join(numbers, ","))
	if v.drop {
		store.SetStr(pastNotice, noticeCovered)
		return
	}
	store.SetStr(pastNotice, v.notice)
	if len(v.keys) > 0 {
		store.SetInt(pastTold, int64(p.storms.toldOf(v.keys[0])))
	}
	var findings []int64
	for _, a := range x.told[:min(len(x.told), maxPastFindings)] {
		if n, err := strconv.ParseInt(string(a.Annotations["finding"]), 10, 64); err == nil {
			findings = append(findings, n)
		}
	}
	if text, err := json.Marshal(findings); err == nil {
		store.SetStr(pastFindings, string(text))
	}
}

// readPast reads the notification log's file for what this program has added to it.
func readPast(data []byte) (out []past) {
	r := bufio.NewReader(bytes.NewReader(data))
	for {
		var e nflogpb.MeshEntry
		if err := protodelim.UnmarshalFrom(r, &e); err != nil || e.Entry == nil || e.Entry.Receiver == nil {
			return out // its end; what cannot be read has been said already
		}
		d := e.Entry.ReceiverData
		if d[pastAt] == nil {
			continue
		}
		x := past{
			receiver: e.Entry.Receiver.GroupName, kind: e.Entry.Receiver.Integration, group: string(e.Entry.GroupKey),
			notice: d[pastNotice].GetStrVal(), told: int(d[pastTold].GetIntVal()), at: time.UnixMilli(d[pastAt].GetIntVal()), firing: len(e.Entry.FiringAlerts) > 0,
		}
		x.integration = fmt.Sprintf("%s[%d]", x.kind, e.Entry.Receiver.Idx)
		for _, n := range strings.Split(d[pastIncidents].GetStrVal(), ",") {
			if number, err := strconv.ParseInt(n, 10, 64); err == nil {
				x.incidents = append(x.incidents, number)
			}
		}
		_ = json.Unmarshal([]byte(d[pastFindings].GetStrVal()), &x.findings) // none is none
		out = append(out, x)
	}
}

// load takes over what receivers were told of incidents before a restart.
func (s *storms) load(all []past, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range all {
		for _, n := range x.incidents {
			if !x.firing || now.Sub(x.at) >= retention {
				continue
			}
			e := s.episode(episodeKey{x.receiver, x.integration, n}, x.at)
			e.groups[x.group] = x.notice != noticeCovered
			if x.at.After(e.active) {
				e.active = x.at
			}
			if x.notice == noticeCovered {
				continue
			}
			e.told = max(e.told, x.told, 1)
			if x.at.After(e.last) {
				e.last = x.at
			}
			if x.notice == noticePage {
				e.page = x.group
			}
		}
	}
}

// missed are deliveries that are in the notification log and, as a kill came between, not
// on record.
func (p *Pipeline) missed(ctx context.Context, all []past) (out []delivery, err error) {
	var last int64
	db := p.o.DB.Read()
	if err := db.QueryRowContext(ctx, `SELECT at_ms FROM notifications WHERE status = 'sent' ORDER BY id DESC LIMIT 1`).Scan(&last); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("cannot read notifications: %w", err)
	}
	for _, x := range all {
		at := x.at.UnixMilli()
		if at < last-time.Minute.Milliseconds() || len(x.findings) == 0 || x.notice == noticeCovered {
			continue
		}
		var there bool
		if err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM notified d JOIN notifications n ON n.id = d.notification
			WHERE d.finding = ? AND n.at_ms = ? AND n.receiver = ? AND n.integration = ?)`, x.findings[0], at, x.receiver, x.kind).Scan(&there); err != nil {
			return nil, fmt.Errorf("cannot read notifications: %w", err)
		}
		if there {
			continue
		}
		d := delivery{receiver: x.receiver, integration: x.kind, at: x.at, status: "sent"}
		for _, id := range x.findings {
			a := &amalert.Alert{Alert: model.Alert{Labels: model.LabelSet{}, Annotations: model.LabelSet{"finding": model.LabelValue(strconv.FormatInt(id, 10))}}}
			var name string
			var incident int64
			if err := db.QueryRowContext(ctx, `SELECT name, incident FROM findings WHERE id = ?`, id).Scan(&name, &incident); err != nil {
				continue // an older state was put back
			}
			a.Labels[model.AlertNameLabel] = model.LabelValue(name)
			if incident != 0 {
				a.Annotations["incident"] = model.LabelValue(strconv.FormatInt(incident, 10))
			}
			d.told = append(d.told, a)
		}
		if len(d.told) > 0 {
			out = append(out, d)
		}
	}
	return out, nil
}
