package client

var (
	ParseSections = parseSections
	ParseProcess  = parseProcess
	SplitWords    = splitWords
)
