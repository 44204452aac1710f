package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/respond/suspect"
)

// suspected is the answer of an offline ranking.
type suspected struct {
	Suspects []offlineSuspect `json:"suspects"`
	Verdict  suspect.Verdict  `json:"verdict"`
	TookMS   float64          `json:"took_ms"`
}

type offlineSuspect struct {
	Rank     int      `json:"rank"`
	Resource string   `json:"resource"`
	Change   string   `json:"change"` // its id, its summary where it has none; empty without one
	Score    float64  `json:"score"`
	Weak     bool     `json:"weak,omitempty"` // too little to tell people: there so that five resources are named
	Evidence []string `json:"evidence"`
}

// suspectsFrom ranks a case that lies in a folder.
func suspectsFrom(cmd *cobra.Command, f *format, dir string) error {
	if about, err := os.Stat(dir); err != nil || !about.IsDir() {
		return fmt.Errorf("--from: got %q, expected a folder with the files of a case", dir)
	}
	c, err := suspect.Read(os.DirFS(dir))
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	r := suspect.Rank(c)
	out := suspected{Suspects: []offlineSuspect{}, Verdict: r.Verdict, TookMS: float64(r.Took.Microseconds()) / 1000}
	for i, s := range append(r.Suspects, r.Weak...) {
		o := offlineSuspect{Rank: i + 1, Resource: s.Resource, Score: s.Score, Weak: i >= len(r.Suspects), Evidence: []string{}}
		if s.Change != nil {
			o.Change = s.Change.Name()
		}
		for _, e := range s.Evidence {
			o.Evidence = append(o.Evidence, e.Text)
		}
		out.Suspects = append(out.Suspects, o)
	}
	raw, err := asJSON(out)
	if err != nil {
		return err
	}
	if err := f.print(cmd, raw, func(w io.Writer) {
		if strong := out.Suspects[:len(r.Suspects)]; len(strong) > 0 {
			offlineTable(strong).write(w)
		}
	}); err != nil {
		return err
	}
	if f.name == formatTable && r.Verdict == suspect.Nobody {
		fmt.Fprintln(cmd.ErrOrStderr(), "Nobody: nothing stands out.")
	}
	return nil
}

func offlineTable(items []offlineSuspect) *table {
	t := columns("RANK", "SCORE", "RESOURCE", "CHANGE", "WHY")
	for _, s := range items {
		why := ""
		if len(s.Evidence) > 0 {
			why = s.Evidence[0]
		}
		t.row(fmt.Sprint(s.Rank), fmt.Sprintf("%.2f", s.Score), s.Resource, s.Change, why)
	}
	return t
}
