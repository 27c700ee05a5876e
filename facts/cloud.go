package facts

import (
	"errors"
	"io/fs"
	"os"
)

const instanceData = "run/cloud-init/instance-data.json"

// cloud adds what cloud-init found out: its standardized v1 keys as "cloud" and, on EC2, the metadata as
// "ec2_metadata". Only a file that everybody on the host may read is taken: there cloud-init has redacted what is
// sensitive, and facts travel through the whole fleet.
func (h host) cloud(f Facts) []Problem {
	path := h.path(instanceData)
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []Problem{{path, cause(err).Error()}}
	}
	if st.Mode().Perm()&0o004 == 0 {
		return []Problem{{path, "is not readable by everybody, so it may hold secrets and is left out"}}
	}
	data, err := readBounded(path, maxInstanceData)
	if err != nil {
		return []Problem{{path, err.Error()}}
	}
	found, err := parseInstanceData(data)
	if err != nil {
		return []Problem{{path, err.Error()}}
	}
	for name, v := range found {
		f[name] = v
	}
	return nil
}

// parseInstanceData reads cloud-init's instance-data.json.
func parseInstanceData(data []byte) (map[string]any, error) {
	all, err := decodeJSON(data, &budget{values: 20000})
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	v1, _ := all["v1"].(map[string]any)
	v1, _ = withoutSecrets(v1).(map[string]any)
	cloud := map[string]any{}
	for _, key := range []string{"availability_zone", "cloud_id", "cloud_name", "instance_id", "local_hostname", "platform", "region", "subplatform", "machine"} {
		if v, ok := v1[key].(string); ok && v != "" && v != "unknown" {
			cloud[key] = v
		}
	}
	name, _ := cloud["cloud_name"].(string)
	switch name {
	case "":
	case "aws", "azure":
		cloud["provider"] = name
	case "gcp", "gce":
		cloud["provider"] = "gce" // as Facter says
	default:
		cloud["provider"] = name
	}
	if len(cloud) > 0 {
		out["cloud"] = cloud
	}
	ds, _ := all["ds"].(map[string]any)
	if platform, _ := v1["platform"].(string); platform == "ec2" || name == "aws" {
		if meta, ok := withoutSecrets(ds["meta_data"]).(map[string]any); ok && len(meta) > 0 {
			out["ec2_metadata"] = meta
		}
	}
	return out, nil
}

// withoutSecrets drops what cloud-init redacted and, should a version of it not do so, what is known to be secret.
func withoutSecrets(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, e := range v {
			switch key {
			case "security-credentials", "security_credentials", "user-data", "user_data", "userdata", "vendordata", "identity-credentials":
				continue
			}
			if s, ok := e.(string); ok && s == "redacted for non-root user" {
				continue
			}
			out[key] = withoutSecrets(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = withoutSecrets(v[i])
		}
		return out
	}
	return v
}
