// Package config reads the configuration file. It promises every problem at
// once, each with the line it stands on: a person repairs the file in one go.
//
// The way through it: the TOML library parses the file (load.go); lines.go
// finds where everything stands in it; decode.go fills a [Config] and puts
// variables of the environment into its strings (env.go, values.go); check.go,
// check_server.go, check_channel.go and check_call.go say what cannot work. Package rules judges
// the rules and package render the templates; their findings are reported with
// the rest.
//
// Files that are named in the configuration are looked for beside it, except
// the SQLite file, which is looked for in the working directory: the first are
// deployed with the configuration, the second belongs to the running service.
package config

import (
	"log/slog"
	"time"

	"ringpost/relay/render"
	"ringpost/relay/rules"
)

// Config is a configuration without faults. It is not changed once it is
// loaded, so it may be shared.
type Config struct {
	Server        Server                   `toml:"server"`
	Admin         Admin                    `toml:"admin"`
	Log           Log                      `toml:"log"`
	Store         Store                    `toml:"store"`
	SignalWire    SignalWire               `toml:"signalwire"`
	TemplateFiles TemplateFiles            `toml:"templates"`
	Links         Links                    `toml:"links"`
	Delivery      Delivery                 `toml:"delivery"`
	Watch         Watch                    `toml:"watch"`
	Channels      map[string]Channel       `toml:"channel"`
	Contacts      map[string]rules.Contact `toml:"contact"`
	Groups        map[string][]string      `toml:"group"`
	RuleList      []rules.Rule             `toml:"rule"`
	Tests         []Test                   `toml:"test"` // none where Check lacks a variable for them

	Rules     *rules.Set        `toml:"-"` // RuleList, compiled; empty where Check lacks a variable for that
	Templates *render.Templates `toml:"-"` // the built-in ones and those of TemplateFiles

	File  string `toml:"-"` // as it was named when it was loaded
	lines lines
}

// State is how a service stands to the configuration file that it follows.
type State struct {
	File      string
	LoadedAt  time.Time // when what is in force was read
	Problems  []string  // why the file was refused since, line by line; none where it was not
	RefusedAt time.Time // when that was
}

// Line returns where path, such as rule[1].send[0].to, stands in the file. For
// one that does not, it is the line of the nearest part of it that does.
func (c *Config) Line(path string) int { return c.lines.of(path) }

// Server is where the service listens.
type Server struct {
	Listen    string `toml:"listen"`     // host:port for callbacks
	PublicURL string `toml:"public_url"` // without a slash at its end
	Admin     string `toml:"admin"`      // host:port
	TLSCert   string `toml:"tls_cert"`   // file; empty where Listen speaks plain HTTP
	TLSKey    string `toml:"tls_key"`    // file
}

// Admin says who may use the admin listener. Without users it must be loopback.
type Admin struct {
	Users []User `toml:"user"`
}

// User is a person who may use the admin listener.
type User struct {
	Name         string `toml:"name"`
	PasswordHash Secret `toml:"password_hash"` // bcrypt
}

// Log says what is logged and how.
type Log struct {
	Level  slog.Level `toml:"level"`
	Format string     `toml:"format"` // text or json; empty: text on a terminal, else json
}

// Store is where callbacks and deliveries are kept.
type Store struct {
	URL  Secret        `toml:"url"`  // sqlite:FILE, or postgres://…, which may hold a password
	Keep time.Duration `toml:"keep"` // history older than this is removed
}

// SignalWire is the account at SignalWire.
type SignalWire struct {
	Space       string   `toml:"space"` // host name; may be empty where there is no SMS channel
	Project     string   `toml:"project"`
	Token       Secret   `toml:"token"`
	SigningKeys []Secret `toml:"signing_keys"` // any of them verifies
	APIURL      string   `toml:"api_url"`      // without a slash at its end; empty without Space
	Unsigned    bool     `toml:"unsigned"`     // callbacks are accepted without a signature

	// LookupTimeout is for how long a callback waits for what the API says of its call,
	// where rules or templates want to know.
	LookupTimeout time.Duration `toml:"lookup_timeout"`
}

// Callable reports whether all is there that the REST API wants.
func (s *SignalWire) Callable() bool {
	return s.APIURL != "" && s.Project != "" && s.Token != ""
}

// TemplateFiles is where templates beside the built-in ones are.
type TemplateFiles struct {
	Dir string `toml:"dir"` // empty where there are none
}

// Links says what the links in messages do.
type Links struct {
	TTL        time.Duration `toml:"ttl"`         // from when the message is made
	AllowHosts []string      `toml:"allow_hosts"` // where recordings may be beside the providers' hosts, in lower case
}

// Delivery says how long and how often a failing delivery is tried.
type Delivery struct {
	FirstRetry  time.Duration `toml:"first_retry"`
	MaxRetry    time.Duration `toml:"max_retry"` // between two attempts, at most
	GiveUpAfter time.Duration `toml:"give_up_after"`
}

// Watch says how what callbacks did not tell is found out.
type Watch struct {
	CatchUp      Period `toml:"catch_up"`      // from one look through the provider's recordings to the next
	MissingAfter Period `toml:"missing_after"` // the beginning of a recording of which nothing more is heard
}

// Channel is a way to reach people. The for tag says which kinds have the key;
// it is any where there is none.
type Channel struct {
	Kind        string `toml:"kind"`                                // email, sms, archive or log
	Rate        Rate   `toml:"rate"`                                // messages a second; 0 does not limit them
	Connections int    `toml:"connections" for:"email sms archive"` // messages sent at once
	From        string `toml:"from" for:"email sms"`                // an RFC 5322 mailbox; an E.164 number or short code

	Host     string `toml:"host" for:"email"`
	Port     int    `toml:"port" for:"email"`
	Username string `toml:"username" for:"email"` // empty: the server wants none
	Password Secret `toml:"password" for:"email"`
	TLS      string `toml:"tls" for:"email"`  // mandatory, opportunistic, implicit or none
	DKIM     *DKIM  `toml:"dkim" for:"email"` // nil: messages are not signed

	MessagingService string `toml:"messaging_service" for:"sms"` // in place of From

	URL            string `toml:"url" for:"archive"`              // of the bucket: see archive.ParseURL
	AccessKey      string `toml:"access_key" for:"archive"`       // of S3
	SecretKey      Secret `toml:"secret_key" for:"archive"`       // of S3
	Account        string `toml:"account" for:"archive"`          // of Azure
	Key            Secret `toml:"key" for:"archive"`              // of Azure, in base64
	Path           string `toml:"path" for:"archive"`             // a template: see render.ParsePath
	DeleteAtSource bool   `toml:"delete_at_source" for:"archive"` // once the recording is kept
}

// DKIM signs the messages of an email channel (RFC 6376).
type DKIM struct {
	Domain   string `toml:"domain"`
	Selector string `toml:"selector"`
	Key      Secret `toml:"key"` // PEM: RSA (PKCS #1 or #8) or Ed25519 (PKCS #8)
}

// Test is a callback and the messages it must lead to.
type Test struct {
	Name     string   `toml:"name"`
	Callback Fields   `toml:"callback"`
	Query    Fields   `toml:"query"`
	Call     Fields   `toml:"call"`   // what the API says of the call; nil: it has not said
	Late     bool     `toml:"late"`   // the callback was found by asking
	Expect   []string `toml:"expect"` // channel:recipient
	Line     int      `toml:"-"`
}

// Fields are a callback's fields or its URL's query. Numbers and booleans of
// the file are written as SignalWire would send them.
type Fields map[string]string

// defaults returns what a configuration says that is empty.
func defaults() *Config {
	return &Config{
		Server: Server{Listen: "127.0.0.1:8080", Admin: "127.0.0.1:8081"},
		Store:  Store{URL: "sqlite:ringpost.db", Keep: 90 * day},
		Links:  Links{TTL: 30 * day},

		SignalWire: SignalWire{LookupTimeout: 2 * time.Minute},
		Delivery:   Delivery{FirstRetry: 5 * time.Second, MaxRetry: time.Hour, GiveUpAfter: 3 * day},
		Watch:      Watch{CatchUp: Period(5 * time.Minute), MissingAfter: Period(4 * time.Hour)},
	}
}
