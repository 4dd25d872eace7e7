package recording

// Public is for tests of what connections are made to.
var Public = public
