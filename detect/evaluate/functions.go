package evaluate

import (
	"math"
	"time"
)

// plainFunctions are those of one value.
var plainFunctions = map[string]func(float64) float64{
	"abs": math.Abs, "ceil": math.Ceil, "floor": math.Floor, "exp": math.Exp, "sqrt": math.Sqrt, "ln": math.Log,
	"log2": math.Log2, "log10": math.Log10, "sgn": sign,
	"sin": math.Sin, "cos": math.Cos, "tan": math.Tan, "asin": math.Asin, "acos": math.Acos, "atan": math.Atan,
	"sinh": math.Sinh, "cosh": math.Cosh, "tanh": math.Tanh, "asinh": math.Asinh, "acosh": math.Acosh, "atanh": math.Atanh,
	"rad": func(v float64) float64 { return v * (math.Pi / 180) },
	"deg": func(v float64) float64 { return v * (180 / math.Pi) },
}

// dateFunctions are those of a time, which is a value in Unix seconds; without one it is
// the time of the evaluation.
var dateFunctions = map[string]func(time.Time) int{
	"days_in_month": func(t time.Time) int {
		return 32 - time.Date(t.Year(), t.Month(), 32, 0, 0, 0, 0, time.UTC).Day()
	},
	"day_of_month": time.Time.Day,
	"day_of_week":  func(t time.Time) int { return int(t.Weekday()) },
	"day_of_year":  time.Time.YearDay,
	"hour":         time.Time.Hour,
	"minute":       time.Time.Minute,
	"month":        func(t time.Time) int { return int(t.Month()) },
	"year":         time.Time.Year,
}

// date makes one of them a function of a value.
func date(f func(time.Time) int) func(float64, []float64) float64 {
	return func(v float64, _ []float64) float64 { return float64(f(time.Unix(int64(v), 0).UTC())) }
}

// sign is PromQL's sgn.
func sign(v float64) float64 {
	switch {
	case v < 0:
		return -1
	case v > 0:
		return 1
	}
	return v
}
