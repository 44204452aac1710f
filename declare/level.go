package declare

// Level is a rung of the ladder, and what a person on it may do with steps that alter
// production: run them alone up to Alone, approve those of others up to Approve. What
// else it takes (a certificate, passed checks, a second approval) is package
// act/authority's to say, by Rank.
type Level struct {
	Name       LevelName `yaml:"name" json:"name"`
	Rank       int       `yaml:"rank" json:"rank"`                         // 0 trainee … 6 distinguished
	Leader     bool      `yaml:"leader" json:"leader,omitempty"`           // decides and approves; does not run things routinely
	Alone      Risk      `yaml:"alone" json:"alone"`                       // low is class A3, medium A4, high A5
	Approve    Risk      `yaml:"approve" json:"approve"`                   // of somebody else's
	BreakGlass bool      `yaml:"break_glass" json:"break_glass,omitempty"` // may act without an approval, with a review after
}

// The ranks of the ladder.
const (
	Trainee = iota
	Junior
	Engineer
	Senior
	Lead
	Principal
	Distinguished
)

// DefaultLevels is used where evenkeel.yml declares none. See docs/act.md.
func DefaultLevels() []Level {
	return []Level{
		{Name: "trainee", Rank: Trainee, Alone: RiskNone, Approve: RiskNone},
		{Name: "junior", Rank: Junior, Alone: RiskLow, Approve: RiskNone},
		{Name: "engineer", Rank: Engineer, Alone: RiskLow, Approve: RiskMedium},
		{Name: "senior", Rank: Senior, Alone: RiskMedium, Approve: RiskHigh},
		{Name: "lead", Rank: Lead, Alone: RiskMedium, Approve: RiskHigh},
		{Name: "principal", Rank: Principal, Alone: RiskMedium, Approve: RiskHigh, BreakGlass: true},
		{Name: "distinguished", Rank: Distinguished, Alone: RiskMedium, Approve: RiskHigh, BreakGlass: true},
		{Name: "leader", Rank: Lead, Leader: true, Alone: RiskNone, Approve: RiskHigh},
	}
}

// RankOf is the rank of a level that declares none: that of its name on the usual
// ladder, else what its rights come closest to.
func RankOf(name LevelName, alone, approve Risk) int {
	switch name {
	case "trainee":
		return Trainee
	case "junior", "associate":
		return Junior
	case "engineer", "mid":
		return Engineer
	case "senior":
		return Senior
	case "lead", "staff":
		return Lead
	case "principal":
		return Principal
	case "distinguished":
		return Distinguished
	}
	switch {
	case approve.Rank() <= 0 && alone.Rank() <= 0:
		return Trainee
	case approve.Rank() <= 0 && alone == RiskLow:
		return Junior
	case alone.Rank() <= RiskLow.Rank():
		return Engineer
	case alone == RiskMedium && approve != RiskHigh:
		return Senior
	}
	return Lead
}
