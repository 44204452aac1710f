package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// enums are the types that have a closed set of words.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[detect.Severity]():      {string(detect.Page), string(detect.Ticket), string(detect.Info)},
	reflect.TypeFor[respond.Status]():       {string(respond.Open), string(respond.Acknowledged), string(respond.Mitigated), string(respond.Resolved), string(respond.Merged)},
	reflect.TypeFor[respond.OverrideKind](): {string(respond.OverrideDuty), string(respond.OverrideSwap), string(respond.OverrideShadow)},
	reflect.TypeFor[respond.OutcomeLabel](): {string(respond.ActionTaken), string(respond.NoActionNeeded), string(respond.Duplicate), string(respond.FalseAlarm), string(respond.Maintenance)},
	reflect.TypeFor[declare.Risk]():         {string(declare.RiskNone), string(declare.RiskLow), string(declare.RiskMedium), string(declare.RiskHigh)},
	reflect.TypeFor[act.RunStatus](): {
		string(act.RunRunning), string(act.RunWaiting), string(act.RunVerifying), string(act.RunVerified), string(act.RunDone),
		string(act.RunRollingBack), string(act.RunRolledBack), string(act.RunFailed), string(act.RunCancelled),
	},
	reflect.TypeFor[act.StepStatus](): {
		string(act.StepPending), string(act.StepWaiting), string(act.StepRunning), string(act.StepDone),
		string(act.StepFailed), string(act.StepRefused), string(act.StepInterrupted), string(act.StepSkipped),
	},
	reflect.TypeFor[Order]():          {string(Newest), string(Oldest)},
	reflect.TypeFor[SilenceState]():   {string(SilencePending), string(SilenceActive), string(SilenceExpired)},
	reflect.TypeFor[ObjectiveState](): {string(ObjectiveFine), string(ObjectiveBurning), string(ObjectiveSpent), string(ObjectiveUnknown)},
}

// field is one field of a struct, as encoding/json sees it.
type field struct {
	name     string
	doc      string
	optional bool
	typ      reflect.Type
}

// fields lists a struct's JSON fields. An outer field hides an embedded one of the
// same name.
func fields(t reflect.Type) []field {
	var out []field
	depth := map[string]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || (f.Anonymous && name == "") {
			continue
		}
		if name == "" {
			name = f.Name
		}
		if at, seen := depth[name]; seen && at <= len(f.Index) {
			continue
		} else if seen {
			for i := range out {
				if out[i].name == name {
					out = append(out[:i], out[i+1:]...)
					break
				}
			}
		}
		depth[name] = len(f.Index)
		out = append(out, field{
			name: name, doc: f.Tag.Get("doc"), typ: f.Type,
			optional: strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero"),
		})
	}
	return out
}

// schemas collects the components of the document.
type schemas struct {
	named map[string]any
	types map[string]reflect.Type // whose component a name is
}

func newSchemas() schemas {
	return schemas{named: map[string]any{}, types: map[string]reflect.Type{}}
}

type object = map[string]any

// of returns the schema of a type; named structs become components.
func (s schemas) of(t reflect.Type) object {
	switch t {
	case timeType:
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return object{}
	case reflect.TypeFor[time.Duration]():
		return object{"type": "integer", "description": "Nanoseconds."}
	}
	if words := enums[t]; words != nil {
		return object{"type": "string", "enum": words}
	}
	switch t.Kind() {
	case reflect.Pointer:
		out := s.of(t.Elem())
		if kind, ok := out["type"].(string); ok {
			out["type"] = []string{kind, "null"}
			return out
		}
		return object{"oneOf": []any{out, object{"type": "null"}}}
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		name := s.name(t)
		if _, seen := s.named[name]; !seen {
			s.named[name] = object{} // a type may hold itself
			s.named[name] = s.object(t)
		}
		return object{"$ref": "#/components/schemas/" + name}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	}
	return object{"type": "integer", "format": "int64"}
}

func (s schemas) object(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, f := range fields(t) {
		p := s.of(f.typ)
		if f.doc != "" {
			p["description"] = f.doc
		}
		properties[f.name] = p
		if !f.optional {
			required = append(required, f.name)
		}
	}
	out := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// name is the component's name. Of two types of one name the second has its package's in
// front.
func (s schemas) name(t reflect.Type) string {
	name := componentName(t)
	if other, taken := s.types[name]; taken && other != t {
		room := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]
		name = strings.ToUpper(room[:1]) + room[1:] + name
	}
	s.types[name] = t
	return name
}

// componentName is the type's name; List[Finding] is FindingList. An unexported
// name starts with a capital in the document.
func componentName(t reflect.Type) string {
	name := t.Name()
	if head, arg, ok := strings.Cut(name, "["); ok {
		arg = strings.TrimSuffix(arg[strings.LastIndexAny(arg, "./")+1:], "]")
		name = arg + head
	}
	return strings.ToUpper(name[:1]) + name[1:]
}
