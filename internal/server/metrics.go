package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what /metrics shows. No label holds a stranger's text.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.HistogramVec
	exchanges *prometheus.CounterVec
	reviews   *prometheus.CounterVec
	throttled prometheus.Counter
	closed    prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "mayfly_request_duration_seconds", Help: "Time to answer a request.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}}, []string{"route", "status"}),
		exchanges: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mayfly_exchange_refused_total", Help: "Refused token exchanges, by reason."}, []string{"reason"}),
		reviews:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mayfly_token_review_refused_total", Help: "Refused bearer tokens, by reason."}, []string{"reason"}),
		throttled: prometheus.NewCounter(prometheus.CounterOpts{Name: "mayfly_throttled_total", Help: "Requests of sources that were refused too often (limits.refusals)."}),
		closed:    prometheus.NewCounter(prometheus.CounterOpts{Name: "mayfly_connections_closed_total", Help: "Connections beyond what one source may hold (limits.connections)."}),
	}
	m.registry.MustRegister(m.requests, m.exchanges, m.reviews, m.throttled, m.closed, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) answered(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) exchangeRefused(reason string) { m.exchanges.WithLabelValues(reason).Inc() }
func (m *metrics) reviewRefused(reason string)   { m.reviews.WithLabelValues(reason).Inc() }

func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
