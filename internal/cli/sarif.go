package cli

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// reportPath is a file as reports name it, however it was named: from the
// repository's root, where a pipeline says which that is, else from here.
// (GitLab, "Code Quality report format": location.path.)
func reportPath(file string) string {
	if file == "-" {
		return file
	}
	root := os.Getenv("CI_PROJECT_DIR")
	if !filepath.IsAbs(root) {
		root, _ = os.Getwd()
	}
	whole, err := filepath.Abs(file)
	if err != nil {
		return file
	}
	below, err := filepath.Rel(root, whole)
	if err != nil || below == ".." || strings.HasPrefix(below, ".."+string(filepath.Separator)) {
		return filepath.ToSlash(whole)
	}
	return filepath.ToSlash(below)
}

// The shapes of SARIF 2.1.0 (OASIS) that are written here.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID string `json:"id"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
)

// sarifOf writes issues as SARIF.
func sarifOf(issues []issue) sarifLog {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "mayfly", Version: Version, Rules: []sarifRule{}}}, Results: []sarifResult{}}
	for _, i := range issues {
		if !slices.Contains(run.Tool.Driver.Rules, sarifRule{i.rule}) {
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{i.rule})
		}
		run.Results = append(run.Results, sarifResult{RuleID: i.rule, Level: i.level, Message: sarifText{plain(i.message)},
			Locations:    []sarifLocation{{sarifPhysical{sarifArtifact{(&url.URL{Path: i.file}).String()}, sarifRegion{i.line}}}},
			Fingerprints: map[string]string{"mayfly/v1": i.fingerprint()}})
	}
	return sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}

// codeQuality is one entry of GitLab's Code Quality report. (GitLab, "Code Quality
// report format".)
type codeQuality struct {
	Description string              `json:"description"`
	CheckName   string              `json:"check_name"`
	Fingerprint string              `json:"fingerprint"`
	Severity    string              `json:"severity"`
	Location    codeQualityLocation `json:"location"`
}

type codeQualityLocation struct {
	Path  string           `json:"path"`
	Lines codeQualityLines `json:"lines"`
}

type codeQualityLines struct {
	Begin int `json:"begin"`
}

// codeQualityOf writes issues for a merge request's widget.
func codeQualityOf(issues []issue) []codeQuality {
	out := []codeQuality{}
	for _, i := range issues {
		out = append(out, codeQuality{Description: plain(i.message), CheckName: "mayfly/" + i.rule, Fingerprint: i.fingerprint(),
			Severity: map[string]string{"error": "critical", "warning": "major", "note": "minor"}[i.level], Location: codeQualityLocation{i.file, codeQualityLines{i.line}}})
	}
	return out
}
