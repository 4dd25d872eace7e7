package config

// ReadLines is what the fuzz test compares with the TOML library.
var ReadLines = readLines
