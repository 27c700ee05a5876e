package facts

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const instanceJSON = `{
 "base64_encoded_keys": [],
 "ds": {"meta_data": {"ami-id": "ami-1", "instance-type": "t3.micro", "placement": {"availability-zone": "eu-west-1a"},
   "iam": {"security-credentials": {"role": {"SecretAccessKey": "hush"}}}, "public-keys": "redacted for non-root user"}},
 "v1": {"cloud_name": "aws", "platform": "ec2", "region": "eu-west-1", "availability_zone": "eu-west-1a", "instance_id": "i-1",
   "subplatform": "metadata (http://169.254.169.254)", "_beta_keys": ["subplatform"], "public_ssh_keys": ["ssh-rsa AAA"]},
 "userdata": "redacted for non-root user"
}`

func TestCloudInit(t *testing.T) {
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       wants
		problem    string
	}{
		{"EC2", instanceJSON, 0o644, wants{"cloud.provider": "aws", "cloud.region": "eu-west-1", "cloud.instance_id": "i-1",
			"ec2_metadata.instance-type": "t3.micro", "ec2_metadata.placement.availability-zone": "eu-west-1a",
			"ec2_metadata.iam.security-credentials": none{}, "ec2_metadata.public-keys": none{}, "cloud.public_ssh_keys": none{}}, ""},
		{"GCE", `{"v1": {"cloud_name": "gce", "platform": "gce"}, "ds": {"meta_data": {"a": 1}}}`, 0o644,
			wants{"cloud.provider": "gce", "ec2_metadata": none{}}, ""},
		{"no cloud", `{"v1": {"cloud_name": "unknown", "platform": "nocloud"}}`, 0o644, wants{"cloud.platform": "nocloud", "cloud.provider": none{}}, ""},
		{"secret", instanceJSON, 0o640, wants{"cloud": none{}}, "may hold secrets"},
		{"cut off", instanceJSON[:100], 0o644, wants{"cloud": none{}}, "ends in the middle"},
		{"odd", `{"v1": [], "ds": "x"}`, 0o644, wants{"cloud": none{}}, ""},
		{"large", `{"v1": "` + strings.Repeat("x", maxInstanceData) + `"}`, 0o644, wants{"cloud": none{}}, "larger than 1024 KiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, filepath.Join(root, instanceData), tt.text, tt.mode)
			f := Facts{}
			problems := newHost(root).cloud(f)
			tt.want.check(t, f)
			if tt.problem == "" {
				checkProblems(t, problems)
			} else {
				checkProblems(t, problems, tt.problem)
			}
		})
	}
}

// service is a metadata service that insists on IMDSv2.
func service(t *testing.T, answers map[string]string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") == "" {
			http.Error(w, "ttl", http.StatusBadRequest)
			return
		}
		w.Write([]byte("TOKEN"))
	})
	mux.HandleFunc("GET /latest/meta-data/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-aws-ec2-metadata-token") != "TOKEN" {
			http.Error(w, "token", http.StatusUnauthorized)
			return
		}
		text, ok := answers[strings.TrimPrefix(r.URL.EscapedPath(), "/latest/meta-data/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte(text))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestMetadata(t *testing.T) {
	s := service(t, map[string]string{
		"instance-id": "i-1", "placement/region": "eu-west-1", "tags/instance": "Name\nteam a", "tags/instance/Name": "web1", "tags/instance/team%20a": "x",
	})
	snap := Collect(t.Context(), Config{Metadata: s.URL, Root: "testdata/alpine"})
	checkProblems(t, snap.Problems)
	wants{"ec2_metadata.instance-id": "i-1", "ec2_metadata.placement.region": "eu-west-1", "ec2_metadata.ami-id": none{},
		"ec2_tags.Name": "web1", "ec2_tags.team a": "x", "cloud.provider": "aws"}.check(t, snap.Facts)
}

func TestMetadataWithoutTags(t *testing.T) {
	s := service(t, map[string]string{"instance-id": "i-1"})
	f := Facts{}
	checkProblems(t, metadata(t.Context(), s.URL+"/", f))
	wants{"ec2_metadata.instance-id": "i-1", "ec2_tags": none{}}.check(t, f)
}

func TestMetadataFaults(t *testing.T) {
	tests := []struct {
		name string
		h    http.HandlerFunc
		want string
	}{
		{"not EC2", http.NotFound, "is not there"},
		{"error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusInternalServerError) }, "500 Internal"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "302 Found"},
		{"flood", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, maxMetadata+1)) }, "more than 16 KiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.h)
			defer s.Close()
			f := Facts{}
			checkProblems(t, metadata(t.Context(), s.URL, f), tt.want)
			if len(f) != 0 {
				t.Errorf("got %v", f)
			}
		})
	}
}
