package api

// List is the answer of everything that lists.
type List[T any] struct {
	Items []T `json:"items"`
	// Total is how many there are in all; absent when there are more than these and
	// the book does not count them.
	Total *int `json:"total,omitempty" doc:"How many there are in all; absent when there are more than these and they are not counted."`
	More  bool `json:"more,omitempty" doc:"There are more after these."`
}

// listOf is a list that is whole.
func listOf[T any](items []T) List[T] {
	if items == nil {
		items = []T{}
	}
	total := len(items)
	return List[T]{Items: items, Total: &total}
}

// defaultLimit is how many items a list has when nobody asks for more or less.
const defaultLimit = 100

func (p page) limit() int {
	if p.Limit == 0 {
		return defaultLimit
	}
	return p.Limit
}

// cutList makes the list of what a book returned when it was asked for one item more
// than the page has: the one more says that there are more.
func cutList[T any](p page, items []T) List[T] {
	if n := p.limit(); len(items) > n {
		return List[T]{Items: items[:n], More: true}
	}
	out := listOf(items)
	*out.Total += p.Offset
	if p.Offset > 0 && len(items) == 0 {
		out.Total = nil // the offset is behind the end, wherever that is
	}
	return out
}

// each converts items.
func each[A, B any](in []A, convert func(A) B) []B {
	out := make([]B, len(in))
	for i, v := range in {
		out[i] = convert(v)
	}
	return out
}

// filled keeps an empty list from becoming null in JSON.
func filled[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
