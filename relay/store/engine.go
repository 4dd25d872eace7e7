package store

import "time"

// engine is what the kinds of database do differently: see sqlite_engine.go and
// postgres_engine.go. All other SQL is the same for all, with ? for its
// placeholders.
type engine interface {
	// begin is the statement that begins a transaction.
	begin() string
	// bind returns query with its placeholders as the database spells them.
	bind(query string) string
	// hint returns what names an index in a query, where the database heeds it.
	hint(index string) string
	// ids returns the argument for the placeholder of [engine.inIDs].
	ids(ids []int64) any
	// texts is the same for a list of texts.
	texts(list []string) any
	// inIDs is the condition that what stands before it is among ids, or texts.
	inIDs() string
	// lock ends a query for rows that are then to be changed, whatever others are
	// doing to them: it waits for those.
	lock() string
	// skipLocked ends a query for rows that others may be changing, which are
	// then left to them.
	skipLocked() string
	// gone is the condition that the owner of a lease is gone, where this process
	// has that name.
	gone(name string, now time.Time) (condition string, args []any)
	// depth is the query for how many deliveries wait, by state.
	depth() string

	// disorder is how far apart the ids of two callbacks may be whose deliveries
	// have ids in the other order.
	disorder() int64

	// lateFor is how long after a callback was received others may be stored with
	// ids below its own.
	lateFor() time.Duration

	// inOneStatement reports whether add and finish are one statement each.
	inOneStatement() bool
	// add inserts callbacks that are not there yet and notes which were not.
	add(t *tx, added []*addition) error
	// insert inserts deliveries with what they say, and fills in their ids.
	insert(t *tx, deliveries []*Delivery, lease lease) error
	// link inserts the links of new deliveries.
	link(t *tx, links []placed) error
	// attach inserts the attachments of deliveries, which each have one.
	attach(t *tx, deliveries []*Delivery) error
	// finish records what came of attempts at deliveries that are still owner's.
	finish(t *tx, endings []*ending, owner string) error
	// tally adds counts, no two of the same, to those that node has.
	tally(t *tx, tallies []Tally, node string) error
}

// lease is what a delivery that is being sent belongs to.
type lease struct {
	owner string
	until time.Time
}
