package web

import (
	"net/http/httptest"
	"slices"
	"testing"
)

// TestPaged: the pages of a list are all of it, once, in its order.
func TestPaged(t *testing.T) {
	for _, n := range []int{0, 1, perPage, perPage + 1, 3*perPage - 1} {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		var got []int
		here := "/services?text=x"
		for range 5 {
			part, p := paged(all, httptest.NewRequest("GET", here, nil))
			got = append(got, part...)
			if len(part) > perPage || p.Total != n || p.Shown != len(part) {
				t.Fatalf("%d: a page of %d, %+v", n, len(part), p)
			}
			if here = p.Next; here == "" {
				break
			}
		}
		if !slices.Equal(got, all) {
			t.Errorf("%d: the pages hold %v", n, got)
		}
	}
	if part, p := paged([]int{1, 2}, httptest.NewRequest("GET", "/x?offset=900", nil)); len(part) != 0 || p.Prev == "" {
		t.Errorf("behind the end: %v, %+v", part, p)
	}
}
