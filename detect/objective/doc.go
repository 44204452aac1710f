// Package objective compiles objectives into Prometheus rules: the error ratio over
// each window, the budget, and the multi-window multi-burn-rate alerts of the SRE
// workbook (Beyer et al., The Site Reliability Workbook, chapter 5).
//
// In: a declare.Objective and the evaluation interval. Out: rule groups, and the
// expressions that pages draw. Promise: pure; the same objective compiles to the
// same text.
package objective
