package dependency_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect/dependency"
	"github.com/evenkeel/evenkeel/observe"
)

func TestCompare(t *testing.T) {
	service := func(id string, on ...string) *declare.Service {
		s := &declare.Service{ID: declare.ServiceID(id), Owner: "shop"}
		for _, o := range on {
			s.DependsOn = append(s.DependsOn, (&declare.Service{ID: declare.ServiceID(o)}).Resource())
		}
		return s
	}
	w := &declare.Workspace{Services: []*declare.Service{service("checkout", "payments", "catalog"), service("payments"), service("catalog")}}
	all := map[declare.ServiceID]bool{"checkout": true, "payments": true, "catalog": true}
	call := func(from, to string, n float64) observe.Call { return observe.Call{Client: from, Server: to, Calls: n} }
	f := func(recent, long []observe.Call, sends map[declare.ServiceID]bool, want ...string) {
		t.Helper()
		var got []string
		for _, x := range dependency.Compare(w, recent, long, sends) {
			got = append(got, x.Name+" "+string(x.Service)+" "+x.Labels["dependency"])
			if x.Team != "shop" || x.Summary == "" {
				t.Errorf("%+v has no owner or no words", x)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, expected %v", got, want)
		}
	}
	both := []observe.Call{call("checkout", "payments", 9), call("checkout", "catalog", 9)}
	f(both, both, all)
	f(append(both, call("payments", "catalog", 3)), both, all, "UndeclaredDependency payments catalog")
	f(append(both, call("payments", "catalog", 0.4), call("payments", "db:5432", 9), call("payments", "payments", 9)), both, all) // hardly; unknown; itself
	f(nil, both[:1], all, "UnusedDependency checkout catalog")
	f(nil, nil, map[declare.ServiceID]bool{"checkout": true, "payments": true}, "UnusedDependency checkout payments") // catalog sends no spans
	f(nil, nil, nil)
	if got := dependency.Compare(w, []observe.Call{call("payments", "catalog", 3)}, nil, nil); !strings.Contains(got[0].Description, `"component:catalog"`) {
		t.Errorf("%s does not say what to do", got[0].Description)
	}
}
