package suspect

import (
	"slices"
	"strings"
	"unicode"
)

// side says whose doing a signal is.
type side int

const (
	inward  side = iota // the resource's own: CPU, memory, disk, restarts, time spent in itself
	outward             // what its callers see: latency, errors, availability
	load                // what its callers ask of it: requests, bytes
	shared              // of the machine below it, and of whoever else runs there
)

// class is what the name of a metric tells.
type class struct {
	name    string
	side    side
	sign    float64 // the direction that is bad: 1 up, -1 down, 0 either
	weight  float64 // how much a shift says about the resource that shows it
	share   bool    // a share of one or of a hundred: a small drop from the top matters
	wordset string
}

// classes in the order in which they are tried: what two words tell comes before what
// one of them does. A word that ends in * is a beginning, a+b are both.
var classes = []class{
	{name: "fact", side: load, weight: 0, wordset: "info spec ulimit* last+seen start+time created resource+limits resource+requests"}, // does not move, or moves with the clock
	{name: "node", side: shared, sign: 1, weight: 0.3, wordset: "node host machine"},
	{name: "own errors", side: inward, sign: 1, weight: 1, wordset: "ownerrors"},
	{name: "self time", side: inward, sign: 1, weight: 1, wordset: "self selftime"},
	{name: "way", side: inward, sign: 1, weight: 0.9, wordset: "ontheway"},
	{name: "calls made", side: inward, sign: -1, weight: 0.8, wordset: "callsmade"},
	{name: "room left", side: inward, sign: -1, weight: 0.8, wordset: "cpu+idle mem+avail* mem+free* memory+avail* memory+free* freeable* heap+free* disk+avail* disk+free* fs+avail* fs+free* filesystem+avail* filesystem+free*"},
	{name: "memory", side: inward, sign: 1, weight: 1, wordset: "mem+fail* memory+fail* pgfault* pgmajfault*"},
	{name: "packet loss", side: inward, sign: 1, weight: 1, wordset: "net+err* net+drop* network+err* network+drop* packet*+err* packet*+drop* packet*+los* retransm* carrier"},
	{name: "saturation", side: inward, sign: 1, weight: 0.8, wordset: "gc queue*+ready messages+ready backlog"},
	{name: "availability", side: outward, sign: -1, weight: 1, share: true, wordset: "availab* success* uptime ready up healthy"},
	{name: "errors", side: outward, sign: 1, weight: 1, wordset: "err error* fail* exception* 5xx 500 fault* timeout* retr* refused unavailable"},
	{name: "restarts", side: inward, sign: 1, weight: 1, wordset: "restart* oom* evict* crash* terminated kill*"},
	{name: "cpu", side: inward, sign: 1, weight: 1, wordset: "cpu* throttl*"},
	{name: "memory", side: inward, sign: 1, weight: 1, wordset: "mem memory heap rss swap"},
	{name: "client latency", side: outward, sign: 1, weight: 0.5, wordset: "client+lat* client+duration client+response"},
	{name: "latency", side: outward, sign: 1, weight: 1, wordset: "lat latenc* duration* response+time response+ms response+seconds response elapsed delay rtt p50 p75 p90 p95 p99 p999 took request+time requests+time rq+time service+time handling"},
	{name: "network", side: load, weight: 0.35, wordset: "net network"},
	{name: "saturation", side: inward, sign: 1, weight: 0.8, wordset: "queue* lag pool thread* goroutine* connections pending waiting saturation inode* fds socket* processes"},
	{name: "disk", side: inward, sign: 0, weight: 0.8, wordset: "disk* diskio io iops fs filesystem volume"},
	{name: "network", side: load, weight: 0.35, wordset: "bytes packet*"},
	{name: "requests", side: load, weight: 0.25, wordset: "request* response* rq workload qps rps ops throughput lod load invocation* traffic calls hits handled count"},
	{name: "network", side: load, weight: 0.35, wordset: "receive* transmit* rx tx syscall* read* write*"},
}

var unknown = class{name: "other", side: inward, weight: 0.6}

// classify tells a metric by the words of its name. Labels that are part of it tell only
// whether what it counts failed.
func classify(metric string) class {
	name, labels, _ := strings.Cut(metric, "{")
	c := byWords(words(name))
	if c.name == "requests" && byWords(words(labels)).name == "errors" {
		return named("errors")
	}
	return c
}

func byWords(have []string) class {
	for _, c := range classes {
		for w := range strings.FieldsSeq(c.wordset) {
			first, second, both := strings.Cut(w, "+")
			if hasWord(have, first) && (!both || hasWord(have, second)) {
				return c
			}
		}
	}
	return unknown
}

// named is the class of a name, or what is said of none.
func named(name string) class {
	if i := slices.IndexFunc(classes, func(c class) bool { return c.name == name }); i >= 0 {
		return classes[i]
	}
	return unknown
}

func (s *Signal) classOf() class {
	if s.class != "" {
		return named(s.class)
	}
	return classify(s.Metric)
}

// family is what a signal is held beside: the same metric of other resources, or what
// was made from spans in the same way.
func (s *Signal) family() string {
	if s.class != "" {
		return s.class
	}
	return s.Metric
}

func hasWord(have []string, w string) bool {
	stem, open := strings.CutSuffix(w, "*")
	for _, h := range have {
		if h == stem || open && strings.HasPrefix(h, stem) {
			return true
		}
	}
	return false
}

// stem is a metric's name without the statistic that was taken of it.
func stem(metric string) string {
	keep := slices.DeleteFunc(words(metric), func(w string) bool {
		switch w {
		case "average", "avg", "mean", "median", "min", "max", "sum", "stddev":
			return true
		}
		return strings.Trim(strings.TrimPrefix(w, "p"), "0123456789") == ""
	})
	return strings.Join(keep, " ")
}

// words splits a name at everything that is no letter or digit, and where a small
// letter meets a capital.
func words(name string) []string {
	var out []string
	var w strings.Builder
	flush := func() {
		if w.Len() > 0 {
			out = append(out, w.String())
			w.Reset()
		}
	}
	small := false
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
		case unicode.IsUpper(r) && small:
			flush()
			w.WriteRune(unicode.ToLower(r))
		default:
			w.WriteRune(unicode.ToLower(r))
		}
		small = unicode.IsLower(r)
	}
	flush()
	return out
}
