package job

import (
	"fmt"

	"fleet/identity"
	"fleet/internal/wire"
)

// secretInfo binds a sealed secret to its use and its job.
func secretInfo(jobID string) string { return "fleet secret v1 " + jobID }

// SealSecrets seals the secret arguments of a job to one target's sealing key, which its certificate names.
func SealSecrets(to []byte, jobID string, values map[string]any) ([]byte, error) {
	raw, err := wire.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encode secret arguments: %w", err)
	}
	return identity.Seal(to, secretInfo(jobID), raw)
}

// OpenSecrets returns the secret arguments that j carries for the node self; none is an empty map. Its errors quote none.
func OpenSecrets(key identity.SealKey, j Job, self identity.ID) (map[string]any, error) {
	values := map[string]any{}
	sealed, ok := j.Secrets[self]
	if !ok {
		return values, nil
	}
	raw, err := key.Open(secretInfo(j.ID), sealed)
	if err != nil {
		return nil, fmt.Errorf("secret arguments: %w", err)
	}
	if err := wire.Unmarshal(raw, &values); err != nil {
		return nil, fmt.Errorf("secret arguments do not decode") // the decoder may quote what it read
	}
	return values, nil
}
