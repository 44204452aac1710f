package runbook

import (
	"sync"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	parse "github.com/evenkeel/evenkeel/declare/runbook"
)

// parsed keeps runbooks that were read from runs' own copies: a list of runs has the
// same few again and again. What is in it is never altered.
var parsed = struct {
	sync.Mutex
	books map[string]*declare.Runbook
}{books: map[string]*declare.Runbook{}}

// mostParsed bounds it.
const mostParsed = 256

// reread parses the run's own copy, which was valid when it was stored.
func reread(run *act.Run) *declare.Runbook {
	key := run.Runbook + "\x00" + string(run.Source)
	parsed.Lock()
	defer parsed.Unlock()
	if b := parsed.books[key]; b != nil {
		return b
	}
	var problems declare.Problems
	b := parse.Read("runbooks/"+run.Runbook+".md", run.Source, &problems)
	if b == nil {
		b = &declare.Runbook{Name: run.Runbook}
	}
	if len(parsed.books) >= mostParsed {
		clear(parsed.books)
	}
	parsed.books[key] = b
	return b
}
