// Package tune proposes how an alert could wake fewer people for nothing, and writes
// the change into its rule file.
//
// In: episodes with their outcomes, the rule files as they are declared, and what a
// replay says both would have done. Out: for each alert, the worst first, its quality
// and at most one proposal (a longer for, a threshold, keep_firing_for, a lower
// severity), the pages that it would have saved, the detections that it would have
// lost, and the rule file with just that changed. Promise: nothing is proposed that
// loses an episode to which action was taken; an edit changes one field of one rule and
// leaves every other byte as it was, or it is refused.
package tune
