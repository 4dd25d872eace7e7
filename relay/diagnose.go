package relay

import (
	"cmp"
	"errors"
	"strings"

	"ringpost/relay/callback"
	"ringpost/relay/config"
)

// Diagnose says what verifies the signature of a request to the service that cfg
// is for, or what would.
func Diagnose(cfg *config.Config, r *callback.Request) (callback.Diagnosis, error) {
	to := receiver(cfg)
	for _, key := range to.Keys {
		if strings.HasPrefix(key, "${") { // Check lets it stand for what it names
			return callback.Diagnosis{}, errors.New("[signalwire] signing_keys needs a variable that is not set in the environment")
		}
	}
	return callback.Diagnose(r, to), nil
}

// Diagnose is [Diagnose] for the configuration in force.
func (s *Service) Diagnose(r *callback.Request) callback.Diagnosis {
	s.reloading.Lock()
	to := receiver(s.config)
	s.reloading.Unlock()
	return callback.Diagnose(r, to)
}

// receiver is who receives callbacks under cfg.
func receiver(cfg *config.Config) callback.Receiver {
	to := callback.Receiver{
		PublicURL: cmp.Or(cfg.Server.PublicURL, "http://"+cfg.Server.Listen),
		Token:     string(cfg.SignalWire.Token),
	}
	for _, key := range cfg.SignalWire.SigningKeys {
		to.Keys = append(to.Keys, string(key))
	}
	return to
}
