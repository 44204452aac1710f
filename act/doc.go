// Package act is how production is altered on purpose, safely: accounts and
// authority, changes, runbooks with approvals and verification.
//
// In: what a signed-in person or a token asks for. Out: changes and runs on record.
// Promise: nothing runs that the person's level and an approval by somebody else
// do not allow; a step's result is stored before the next step starts; a run ends
// verified, failed, rolled back or cancelled, never forgotten.
//
// A run's states (only runbook.Runner moves them; verifying follows the last step):
//
//	running ⇄ waiting (approval, or a decision on an interrupted step)
//	running → verifying → verified         running → done (nothing to verify it by)
//	running | verifying → rolling-back → rolled-back | failed
//	running | waiting | verifying → cancelled          running → failed
//
// A step: pending → waiting → running → done | failed | refused | interrupted | skipped;
// interrupted → running (retry) | skipped.
package act
