//go:build unix

package main_test

import (
	"net/http"
	"testing"
	"time"

	"ringpost/relay/store/storetest"
)

// TestADatabaseThatCrashesIsA503AndHealsByItself stops the server of two nodes as
// a crash does, under load. Meanwhile callbacks are answered with 503, and
// neither node is ready nor ends; once the server is back all goes on.
func TestADatabaseThatCrashesIsA503AndHealsByItself(t *testing.T) {
	crashes := 2
	if *long {
		crashes = 5
	}
	database := storetest.NewCluster(t)
	t.Parallel()
	database.Start()
	c := newCluster(t, "nodes: the database crashes under load", settings{}, database.URL, database.URL).start()
	stop := c.load(100)
	for range crashes {
		<-time.After(2 * time.Second)
		database.Stop()
		c.allowRepeats(len(c.nodes) * 2 * workers) // connections break between an acceptance and its commit
		for _, node := range c.nodes {
			o := c.anOrder()
			status, err := node.post(completed(o.recording), o.query)
			if err != nil || status != http.StatusServiceUnavailable {
				t.Errorf("POST without a database = %d, %v; want 503", status, err)
			}
			eventually(t, "the node says that it is not ready", patience, func() bool {
				resp, err := http.Get("http://" + node.admin + "/readyz")
				if err != nil {
					t.Errorf("GET /readyz without a database: %v", err)
					return true
				}
				resp.Body.Close()
				return resp.StatusCode == http.StatusServiceUnavailable
			})
		}
		database.Start()
	}
	stop()
	c.settle()
}
