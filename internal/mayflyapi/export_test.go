package mayflyapi

// Explain is the status and body of an error.
var Explain = explain
