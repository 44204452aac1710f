package observe

// Call is how often one service called another in a time, and how often in vain.
type Call struct {
	Client string  `json:"client"`
	Server string  `json:"server"`
	Calls  float64 `json:"calls"`
	Failed float64 `json:"failed"`
}
