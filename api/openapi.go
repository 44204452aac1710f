package api

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"
)

// openapi makes the document from the table of routes.
func openapi(routes []route, version string) object {
	if version == "" {
		version = "0"
	}
	types := newSchemas()
	paths := map[string]object{}
	for _, r := range routes {
		if paths[r.path] == nil {
			paths[r.path] = object{}
		}
		paths[r.path][strings.ToLower(r.method)] = operation(r, types)
	}
	problem := object{
		"description": "Why not.",
		"content":     object{"application/json": object{"schema": types.of(reflect.TypeFor[ErrorBody]())}},
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Evenkeel", "version": version,
			"description": "Observe, detect, respond, act, learn. Times are RFC 3339 in UTC; lists are {\"items\": […]}; errors are {\"error\": {…}}.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers":  []any{object{"url": Root}},
		"security": []any{object{"token": []string{}}, object{"session": []string{}}},
		"paths":    paths,
		"components": object{
			"schemas":   types.named,
			"responses": object{"Problem": problem},
			"securitySchemes": object{
				"token":   object{"type": "http", "scheme": "bearer", "description": "A token, as ek_<id>_<secret>."},
				"session": object{"type": "apiKey", "in": "cookie", "name": "evenkeel_session"},
			},
		},
	}
}

func operation(r route, types schemas) object {
	tag, _, _ := strings.Cut(strings.TrimPrefix(r.path, "/"), "/")
	op := object{"summary": r.summary, "operationId": operationID(r), "tags": []string{tag}}
	if r.admin {
		op["description"] = "For administrators."
	}
	var parameters []any
	for _, m := range pathParam.FindAllStringSubmatch(r.path, -1) {
		kind := "string"
		if numbered[m[1]] {
			kind = "integer"
		}
		parameters = append(parameters, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": kind}})
	}
	if r.query != nil {
		for _, p := range params(r.query) {
			typ := p.typ
			if typ.Kind() == reflect.Pointer {
				typ = typ.Elem()
			}
			schema := types.of(typ)
			if p.max > 0 {
				schema["minimum"], schema["maximum"] = 0, p.max
			}
			parameters = append(parameters, object{"name": p.name, "in": "query", "description": p.doc, "schema": schema})
		}
	}
	if parameters != nil {
		op["parameters"] = parameters
	}
	if r.in != nil {
		required := false
		for _, f := range fields(r.in) {
			required = required || !f.optional
		}
		op["requestBody"] = object{"required": required, "content": object{"application/json": object{"schema": types.of(r.in)}}}
	}
	good := object{"description": http.StatusText(r.status)}
	switch {
	case r.media != "":
		good["content"] = object{r.media: object{"schema": object{"type": "string"}}}
	case r.out != nil:
		good["content"] = object{"application/json": object{"schema": types.of(r.out)}}
	}
	op["responses"] = object{strconv.Itoa(r.status): good, "default": object{"$ref": "#/components/responses/Problem"}}
	return op
}

// operationID is the method and the path's words, as get_incidents_incident_timeline.
func operationID(r route) string {
	words := strings.FieldsFunc(r.path, func(c rune) bool { return !('a' <= c && c <= 'z') && c != '_' })
	return strings.ToLower(r.method) + "_" + strings.Join(words, "_")
}
