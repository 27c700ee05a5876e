package facts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// metadata asks the EC2 metadata service (IMDSv2 only: without its token nothing is read) for the instance's own data
// and tags. They become ec2_metadata and ec2_tags. All questions together have two seconds.
func metadata(ctx context.Context, base string, f Facts) []Problem {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	transport := &http.Transport{Proxy: nil, DisableKeepAlives: false} // a link-local service is never behind a proxy
	defer transport.CloseIdleConnections()
	m := imds{base: strings.TrimSuffix(base, "/"), client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if err := m.collect(ctx, f); err != nil {
		return []Problem{{base, err.Error()}}
	}
	return nil
}

type imds struct {
	base, token string
	client      *http.Client
}

var errNotThere = errors.New("is not there")

func (m *imds) collect(ctx context.Context, f Facts) (err error) {
	m.token, err = m.ask(ctx, http.MethodPut, "/latest/api/token")
	if err != nil {
		return err
	}
	for _, name := range []string{"ami-id", "instance-id", "instance-type", "instance-life-cycle", "local-hostname", "local-ipv4",
		"public-hostname", "public-ipv4", "mac", "placement/availability-zone", "placement/region"} {
		v, err := m.ask(ctx, http.MethodGet, "/latest/meta-data/"+name)
		if errors.Is(err, errNotThere) {
			continue
		}
		if err != nil {
			return err
		}
		f.set("ec2_metadata."+strings.ReplaceAll(name, "/", "."), v)
	}
	f.set("cloud.provider", "aws")
	return m.tags(ctx, f)
}

// tags are there only if the instance was told to show them in its metadata.
func (m *imds) tags(ctx context.Context, f Facts) error {
	const path = "/latest/meta-data/tags/instance"
	list, err := m.ask(ctx, http.MethodGet, path)
	if errors.Is(err, errNotThere) {
		return nil
	}
	if err != nil {
		return err
	}
	tags := map[string]any{}
	for key := range strings.Lines(list) {
		if key = strings.TrimSpace(key); key == "" || len(tags) == maxTags {
			continue
		}
		if err := checkKey(key); err != nil {
			return fmt.Errorf("a tag %w", err)
		}
		v, err := m.ask(ctx, http.MethodGet, path+"/"+url.PathEscape(key))
		if err != nil && !errors.Is(err, errNotThere) {
			return err
		}
		tags[key] = v
	}
	if len(tags) > 0 {
		f["ec2_tags"] = tags
	}
	return nil
}

func (m *imds) ask(ctx context.Context, method, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, m.base+path, nil)
	if err != nil {
		return "", err
	}
	if method == http.MethodPut {
		req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "60")
	} else {
		req.Header.Set("X-aws-ec2-metadata-token", m.token)
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("does not answer: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%s breaks off: %w", path, err)
	case resp.StatusCode == http.StatusNotFound:
		return "", errNotThere
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s %s answers %q", method, path, resp.Status)
	case len(body) > maxMetadata:
		return "", fmt.Errorf("%s answers with more than %d KiB", path, maxMetadata>>10)
	}
	text := strings.TrimSpace(string(body))
	return text, checkString(text)
}
