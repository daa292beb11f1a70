package signin

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
)

// page is what a browser shows after it came back. All of it is constant: nothing
// of a request is ever shown.
type page struct{ title, text string }

var (
	pageGood  = page{"You are signed in", "The terminal has what it asked for. You can close this window."}
	pageBad   = page{"The sign-in failed", "The terminal says why. You can close this window."}
	pageStray = page{"This is not an open sign-in", "Nothing was done. If you have just signed in, look at the terminal. You can close this window."}
)

const style = `:root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;font:1.125rem/1.5 system-ui,sans-serif}` +
	`main{max-width:32rem;padding:2rem;text-align:center;text-wrap:balance}h1{font-size:1.5rem;margin:0 0 .5rem}p{margin:0}`

// show writes a page. It runs no script, loads nothing, is in nobody's frame, is
// not kept, and tells nobody the address it was at, which has the code in it.
func show(w http.ResponseWriter, status int, p page) {
	sum := sha256.Sum256([]byte(style))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Connection", "close")
	w.WriteHeader(status)
	io.WriteString(w, `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>`+p.title+` – Mayfly</title><style>`+style+
		`</style><main><h1>`+p.title+`</h1><p>`+p.text+"</p></main></html>\n")
}
