package declare

// ServiceID is the metadata.name of a Backstage Component.
type ServiceID string

// TeamID is the metadata.name of a Backstage Group.
type TeamID string

// PersonID is the metadata.name of a Backstage User; a person signs in with it.
type PersonID string

// ResourceID is kind/namespace/name in lower case, as component/default/checkout.
type ResourceID string

// Service is a Backstage Component: what owes its users something.
type Service struct {
	ID          ServiceID
	Title       string // metadata.title, or the ID
	Description string
	Owner       TeamID
	System      string
	Tier        int          // label evenkeel.dev/tier, 1 (most important) to 4; 0 when not given
	DependsOn   []ResourceID // as written: components and resources, one step
	Labels      map[string]string
	Annotations map[string]string
	Links       []Link
	Pos         Position
}

// Resource is the identity that edges use.
func (s *Service) Resource() ResourceID { return ResourceID("component/default/" + string(s.ID)) }

// Link is a Backstage link.
type Link struct{ URL, Title string }

// Resource is a Backstage Resource: a database, a cluster, a host, a volume.
type Resource struct {
	ID          ResourceID
	Title       string
	Type        string
	Owner       TeamID
	DependsOn   []ResourceID
	Labels      map[string]string
	Annotations map[string]string
	Pos         Position
}

// System is a Backstage System: services that belong together.
type System struct {
	Name, Title, Description string
	Owner                    TeamID
	Pos                      Position
}

// Team is a Backstage Group. Members holds everybody in it, from either side of
// the relation (Group spec.members, User spec.memberOf), sorted.
type Team struct {
	ID      TeamID
	Title   string
	Email   string
	Parent  TeamID
	Members []PersonID
	Pos     Position
}

// Person is a Backstage User. Level comes from the label evenkeel.dev/level.
type Person struct {
	ID    PersonID
	Name  string // spec.profile.displayName, or the ID
	Email string
	Level LevelName
	Teams []TeamID
	// Contacts are from the annotation evenkeel.dev/contact, first ones first.
	Contacts []Contact
	Pos      Position
}

// LevelName is one of the declared levels, as junior or senior.
type LevelName string

// Risk of a step: how much it can harm.
type Risk string

// The risks, in rising order. RiskNone is what a level has that may run nothing.
const (
	RiskNone   Risk = "none"
	RiskLow    Risk = "low"
	RiskMedium Risk = "medium"
	RiskHigh   Risk = "high"
)

// Rank orders risks: none 0, low 1, medium 2, high 3; -1 for an unknown word.
func (r Risk) Rank() int {
	switch r {
	case RiskNone:
		return 0
	case RiskLow:
		return 1
	case RiskMedium:
		return 2
	case RiskHigh:
		return 3
	}
	return -1
}
