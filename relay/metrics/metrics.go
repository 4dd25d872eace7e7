// Package metrics holds what Ringpost counts. No label carries an id, a number
// or an address.
package metrics

import (
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics are the collectors of one service. They may be used at once.
type Metrics struct {
	Callbacks        *prometheus.CounterVec   // status, result
	Late             *prometheus.CounterVec   // status
	CatchUps         *prometheus.CounterVec   // result
	Lookups          *prometheus.CounterVec   // result
	RuleMatches      *prometheus.CounterVec   // rule
	Deliveries       *prometheus.CounterVec   // channel, result
	DeliveryDuration *prometheus.HistogramVec // channel
	EndToEnd         *prometheus.HistogramVec // channel
	ChannelUp        *prometheus.GaugeVec     // channel
	ReloadSuccessful prometheus.Gauge

	Registry *prometheus.Registry
}

// New returns fresh collectors in a registry of their own.
func New(version string) *Metrics {
	m := &Metrics{
		Callbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringpost_callbacks_total",
			Help: "Callbacks received, by recording status and result: stored, duplicate, bad_signature, invalid or error.",
		}, []string{"status", "result"}),
		Late: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringpost_late_callbacks_total",
			Help: "Recordings found by asking the provider because no callback had come, by recording status.",
		}, []string{"status"}),
		CatchUps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringpost_catch_ups_total",
			Help: "Looks through the provider's recordings for those without a callback, by result: done or failed.",
		}, []string{"result"}),
		Lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringpost_lookups_total",
			Help: "Questions to the provider about calls, by result: found, retried, or without where a callback went on without an answer.",
		}, []string{"result"}),
		RuleMatches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringpost_rule_matches_total",
			Help: "Callbacks that a rule matched.",
		}, []string{"rule"}),
		Deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringpost_deliveries_total",
			Help: "Attempts at deliveries, by channel and result: delivered, retried, dead or unknown; and receipts that say otherwise.",
		}, []string{"channel", "result"}),
		DeliveryDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "ringpost_delivery_duration_seconds",
			Help:    "How long an attempt took at the provider.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
		}, []string{"channel"}),
		EndToEnd: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "ringpost_end_to_end_seconds",
			Help:    "From the receipt of a callback to the provider's acceptance of its message.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 12),
		}, []string{"channel"}),
		ChannelUp: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ringpost_channel_up",
			Help: "1 while the channel works, 0 while it is only probed.",
		}, []string{"channel"}),
		ReloadSuccessful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ringpost_config_last_reload_successful",
			Help: "1 where the last load of the configuration was accepted, 0 where an older one is in use.",
		}),
		Registry: prometheus.NewRegistry(),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "ringpost_build_info",
		Help: "Always 1; the labels say what is running.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(version, goVersion()).Set(1)
	m.ReloadSuccessful.Set(1)
	m.Registry.MustRegister(m.Callbacks, m.Late, m.CatchUps, m.Lookups, m.RuleMatches, m.Deliveries, m.DeliveryDuration, m.EndToEnd, m.ChannelUp,
		m.ReloadSuccessful, build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Queue is what the queue's gauges show.
type Queue struct {
	Depth  map[string]int // unfinished deliveries by state
	Oldest time.Duration  // the age of the oldest one; 0 where none waits
}

// WatchQueue makes the queue's gauges ask count at every scrape. Nothing is
// shown where count fails.
func (m *Metrics) WatchQueue(count func() (Queue, error)) {
	m.Registry.MustRegister(queueCollector(count))
}

type queueCollector func() (Queue, error)

var (
	queueDepth  = prometheus.NewDesc("ringpost_queue_depth", "Unfinished deliveries.", []string{"state"}, nil)
	queueOldest = prometheus.NewDesc("ringpost_queue_oldest_age_seconds",
		"Age of the oldest unfinished delivery; 0 where there is none.", nil, nil)
)

func (queueCollector) Describe(ch chan<- *prometheus.Desc) { ch <- queueDepth; ch <- queueOldest }

func (c queueCollector) Collect(ch chan<- prometheus.Metric) {
	q, err := c()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(queueDepth, err)
		return
	}
	for state, n := range q.Depth {
		ch <- prometheus.MustNewConstMetric(queueDepth, prometheus.GaugeValue, float64(n), state)
	}
	ch <- prometheus.MustNewConstMetric(queueOldest, prometheus.GaugeValue, q.Oldest.Seconds())
}

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion
	}
	return ""
}
