package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
)

// item is a problem as JSON.
type item struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Severity string `json:"severity"` // error, warning
	Field    string `json:"field,omitempty"`
	Got      string `json:"got,omitempty"`
	Want     string `json:"want"`
	Hint     string `json:"hint,omitempty"`
	Message  string `json:"message"`
}

func (c *checked) items() []item {
	out := make([]item, len(c.problems))
	for i, p := range c.problems {
		out[i] = item{filepath.ToSlash(p.File), p.Line, p.Column, severity(p), p.Field, p.Got, p.Want, p.Hint, message(p)}
	}
	return out
}

// github prints workflow commands, which GitHub shows beside the lines.
func (c *checked) github(w io.Writer) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, p := range c.problems {
		at := "file=" + property.Replace(filepath.ToSlash(p.File))
		if p.Line > 0 {
			at += fmt.Sprintf(",line=%d", p.Line)
		}
		if p.Column > 0 {
			at += fmt.Sprintf(",col=%d", p.Column)
		}
		if _, err := fmt.Fprintf(w, "::%s %s,title=%s::%s\n", severity(p), at, property.Replace("evenkeel check"), data.Replace(clean(message(p)))); err != nil {
			return err
		}
	}
	return nil
}

// The part of JUnit's XML that every reader of it knows.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitFailure `xml:"failure"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// junit prints a suite a file and a case a problem; a warning is a case that passes.
func (c *checked) junit(w io.Writer) error {
	all := junitSuites{Name: "evenkeel check"}
	for _, p := range c.problems {
		if len(all.Suites) == 0 || all.Suites[len(all.Suites)-1].Name != p.File {
			all.Suites = append(all.Suites, junitSuite{Name: p.File})
		}
		s := &all.Suites[len(all.Suites)-1]
		one := junitCase{Name: fmt.Sprintf("%d:%d %s", p.Line, p.Column, message(p)), Class: kindOf(p.File), File: filepath.ToSlash(p.File), Line: p.Line}
		if p.Warning {
			one.Out = "warning: " + p.Error()
		} else {
			one.Failure = &junitFailure{Message: message(p), Type: "error", Text: p.Error()}
			s.Failures++
			all.Failures++
		}
		s.Cases = append(s.Cases, one)
		s.Tests++
		all.Tests++
	}
	if all.Tests == 0 { // readers take a report without a case for a run that did not happen
		for _, p := range c.paths {
			all.Suites = append(all.Suites, junitSuite{Name: p, Tests: 1, Cases: []junitCase{{Name: "check", Class: kindOf(p)}}})
			all.Tests++
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// The part of SARIF 2.1.0 that is needed.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID              string            `json:"ruleId"`
		RuleIndex           int               `json:"ruleIndex"`
		Level               string            `json:"level"`
		Message             sarifText         `json:"message"`
		Locations           []sarifLocation   `json:"locations"`
		PartialFingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region *sarifRegion `json:"region,omitempty"`
		} `json:"physicalLocation"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
)

// sarifKinds are the rules: one for each part of a workspace.
var sarifKinds = []string{"catalog", "objectives", "rules", "oncall", "runbooks", "routing", "scrape", "settings", "workspace"}

func (c *checked) sarif(w io.Writer) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "evenkeel", InformationURI: "https://github.com/evenkeel/evenkeel"}
	for _, k := range sarifKinds {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{"evenkeel/" + k, sarifText{"What is declared in " + k + " must be valid"}})
	}
	prints := map[string]int{}
	for _, p := range c.problems {
		kind := kindOf(p.File)
		r := sarifResult{
			RuleID: "evenkeel/" + kind, RuleIndex: slices.Index(sarifKinds, kind), Level: severity(p), Message: sarifText{message(p)},
			Locations: make([]sarifLocation, 1),
		}
		print := fingerprint(p)
		prints[print]++
		r.PartialFingerprints = map[string]string{"evenkeel/v1": fmt.Sprintf("%s:%d", print, prints[print])}
		at := &r.Locations[0].Physical
		at.Artifact.URI = uri(p.File)
		if p.Line > 0 {
			at.Region = &sarifRegion{p.Line, p.Column}
		}
		run.Results = append(run.Results, r)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// fingerprint stays the same while lines above the problem come and go.
func fingerprint(p declare.Problem) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{filepath.ToSlash(p.File), p.Field, p.Got, p.Want}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

func uri(file string) string {
	u := url.URL{Path: filepath.ToSlash(filepath.Clean(file))}
	if filepath.IsAbs(file) {
		u.Scheme = "file"
		return u.String()
	}
	return strings.TrimPrefix(u.String(), "./")
}
