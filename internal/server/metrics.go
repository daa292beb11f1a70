package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mayfly.internal/internal/guardfacts"
	"mayfly.internal/internal/kubeapi"
)

// metrics are what /metrics shows. No label holds a stranger's text.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.HistogramVec
	exchanges *prometheus.CounterVec
	reviews   *prometheus.CounterVec
	throttled prometheus.Counter
	closed    prometheus.Counter

	authenticator *authenticatorMetrics // nil: its port is closed
	asked         *prometheus.CounterVec
	guards        *prometheus.CounterVec
	guardReading  *prometheus.HistogramVec
}

// authenticatorMetrics are those of aws-iam-authenticator, under its names, but
// for what is about EC2.
type authenticatorMetrics struct {
	latency, loaded             *prometheus.HistogramVec
	configMapFailed, fileFailed prometheus.Counter
	unanswered, throttled       *prometheus.CounterVec
	responses                   *prometheus.CounterVec
	fileEnabled, fileOnly       prometheus.Gauge
}

func (m *metrics) addAuthenticator() *authenticatorMetrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "aws_iam_authenticator", Name: name, Help: help}
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "aws_iam_authenticator", Name: name, Help: help})
	}
	a := &authenticatorMetrics{
		latency:         prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "aws_iam_authenticator", Name: "authenticate_latency_seconds", Help: "Time to answer a TokenReview."}, []string{"result"}),
		loaded:          prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "aws_iam_authenticator", Name: "dynamic_e2e_latency_seconds", Help: "Time from the update of a dynamic file to its reading.", Buckets: []float64{1, 3, 5, 10, 15, 20, 30, 60}}, []string{"type"}),
		configMapFailed: prometheus.NewCounter(counter("configmap_watch_failures_total", "TokenReviews for which aws-auth could not be read.")),
		fileFailed:      prometheus.NewCounter(counter("dynamicfile_failures_total", "Readings of a dynamic file that failed.")),
		unanswered:      prometheus.NewCounterVec(counter("sts_connection_failures_total", "Requests that AWS STS did not answer."), []string{"StsRegion"}),
		throttled:       prometheus.NewCounterVec(counter("sts_throttling_total", "Requests that AWS STS throttled."), []string{"StsRegion"}),
		responses:       prometheus.NewCounterVec(counter("sts_responses_total", "Answers of AWS STS by status."), []string{"ResponseCode", "StsRegion"}),
		fileEnabled:     gauge("dynamic_file_enabled", "1 if DynamicFile is among the backend modes."),
		fileOnly:        gauge("dynamic_file_only", "1 if DynamicFile is the only backend mode."),
	}
	for _, r := range kubeapi.Results {
		a.latency.WithLabelValues(string(r))
	}
	m.registry.MustRegister(a.latency, a.loaded, a.configMapFailed, a.fileFailed, a.unanswered, a.throttled, a.responses, a.fileEnabled, a.fileOnly)
	m.authenticator = a
	return a
}

// askedAWS counts a request to AWS STS.
func (m *metrics) askedAWS(region string, status int, throttled bool) {
	m.asked.WithLabelValues(region, strconv.Itoa(status)).Inc()
	switch a := m.authenticator; {
	case a == nil:
	case status == 0:
		a.unanswered.WithLabelValues(region).Inc()
	default:
		a.responses.WithLabelValues(strconv.Itoa(status), region).Inc()
		if throttled {
			a.throttled.WithLabelValues(region).Inc()
		}
	}
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "mayfly_request_duration_seconds", Help: "Time to answer a request.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}}, []string{"route", "status"}),
		exchanges: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mayfly_exchange_refused_total", Help: "Refused token exchanges, by reason."}, []string{"reason"}),
		reviews:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mayfly_token_review_refused_total", Help: "Refused bearer tokens, by reason."}, []string{"reason"}),
		throttled: prometheus.NewCounter(prometheus.CounterOpts{Name: "mayfly_throttled_total", Help: "Requests of sources that were refused too often (limits.refusals)."}),
		asked:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mayfly_aws_sts_requests_total", Help: "Requests to AWS STS about bearer tokens, by region and status (0: no answer)."}, []string{"region", "status"}),
		guards:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mayfly_guard_readings_total", Help: "Readings of what a GitLab enforces around a project, by issuer and outcome."}, []string{"issuer", "outcome"}),
		guardReading: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "mayfly_guard_reading_seconds", Help: "Time to read what a GitLab enforces around a project.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2, 5, 10, 20}}, []string{"issuer"}),
		closed: prometheus.NewCounter(prometheus.CounterOpts{Name: "mayfly_connections_closed_total", Help: "Connections beyond what one source may hold (limits.connections)."}),
	}
	m.registry.MustRegister(m.requests, m.exchanges, m.reviews, m.throttled, m.asked, m.guards, m.guardReading, m.closed, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) answered(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) exchangeRefused(reason string) { m.exchanges.WithLabelValues(reason).Inc() }
func (m *metrics) reviewRefused(reason string)   { m.reviews.WithLabelValues(reason).Inc() }

// readGuards counts a reading of what a GitLab enforces. Issuers are the operator's.
func (m *metrics) readGuards(issuer string, outcome guardfacts.Outcome, took time.Duration) {
	m.guards.WithLabelValues(issuer, string(outcome)).Inc()
	m.guardReading.WithLabelValues(issuer).Observe(took.Seconds())
}

// guardAge is how old the facts of an issuer are.
type guardAge struct {
	issuer   string
	oldest   time.Duration
	projects int
}

// guardAges shows how old facts are, as ages says at the time.
func (m *metrics) guardAges(ages func() []guardAge) {
	m.registry.MustRegister(guardCollector(ages))
}

var (
	guardAgeMetric      = prometheus.NewDesc("mayfly_guard_facts_age_seconds", "Age of the oldest facts of an issuer's projects whose jobs asked within the hour.", []string{"issuer"}, nil)
	guardProjectsMetric = prometheus.NewDesc("mayfly_guard_projects", "Projects of an issuer whose jobs asked within the hour and whose facts are there.", []string{"issuer"}, nil)
)

type guardCollector func() []guardAge

func (c guardCollector) Describe(to chan<- *prometheus.Desc) {
	to <- guardAgeMetric
	to <- guardProjectsMetric
}

func (c guardCollector) Collect(to chan<- prometheus.Metric) {
	for _, a := range c() {
		to <- prometheus.MustNewConstMetric(guardAgeMetric, prometheus.GaugeValue, a.oldest.Seconds(), a.issuer)
		to <- prometheus.MustNewConstMetric(guardProjectsMetric, prometheus.GaugeValue, float64(a.projects), a.issuer)
	}
}

var keyAgeMetric = prometheus.NewDesc("mayfly_key_age_seconds", "How long the key of a use has sealed or signed.", []string{"use"}, nil)

// keyAges shows how long each primary key has been that.
func (m *metrics) keyAges(k *keyring) { m.registry.MustRegister(keyCollector{k}) }

type keyCollector struct{ *keyring }

func (c keyCollector) Describe(to chan<- *prometheus.Desc) { to <- keyAgeMetric }

func (c keyCollector) Collect(to chan<- prometheus.Metric) {
	for use, age := range c.ages() {
		to <- prometheus.MustNewConstMetric(keyAgeMetric, prometheus.GaugeValue, age.Seconds(), string(use))
	}
}

func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
