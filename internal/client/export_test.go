package client

var (
	ParseContainer = parseContainer
	ParseSections  = parseSections
	ParseProcess   = parseProcess
	SplitWords     = splitWords
)
