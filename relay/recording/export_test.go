package recording

// Public is for tests of what connections are made to.
var Public = public

// SpoolUsers returns how many use, or wait for, what is fetched to disk.
func SpoolUsers(f *Fetcher) (n int) {
	f.spools.mu.Lock()
	defer f.spools.mu.Unlock()
	for _, s := range f.spools.all {
		n += s.users
	}
	return n
}

// SpooledFiles returns how many temporary files there are.
func SpooledFiles(f *Fetcher) int { return len(f.spools.room) }

// MaxSpools is how many there are at most.
const MaxSpools = maxSpools
