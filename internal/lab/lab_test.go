package lab

import (
	"archive/tar"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestHostNumber(t *testing.T) {
	for name, want := range map[string]int{
		"web1": 1, "web42": 42, "web200": 200,
		"web0": 0, "web201": 0, "web": 0, "web01": 0, "web+1": 0, "db1": 0, "": 0, "web1 --privileged": 0, "--privileged": 0,
	} {
		if got, err := hostNumber(name); got != want || (err == nil) != (want != 0) {
			t.Errorf("hostNumber(%q) = %d, %v; want %d", name, got, err, want)
		}
	}
}

func TestOpenRefusesNamesDockerWouldMisread(t *testing.T) {
	for name, ok := range map[string]bool{
		"fleet-lab": true, "t123-hosts": true, "": false, "-x": false, "A": false, "a b": false, "a/b": false, strings.Repeat("a", 49): false,
	} {
		if _, err := Open(name); (err == nil) != ok {
			t.Errorf("Open(%q): %v, want ok %v", name, err, ok)
		}
	}
}

func TestHagroup(t *testing.T) {
	var got string
	for n := 1; n <= 9; n++ {
		got += Hagroup(n)
	}
	if got != "abcabcabc" {
		t.Errorf("hagroups of 1 to 9: %s", got)
	}
}

func TestRoutesAndCandidates(t *testing.T) {
	const table = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
vpn0	0000D50A	00000000	0001	0	0	0	0000FFFF	0	0	0
vpn0	garbage
`
	routes := parseRoutes(table)
	want := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("10.213.0.0/16")}
	if !slices.Equal(routes, want) {
		t.Fatalf("routes = %v, want %v", routes, want)
	}
	free := slices.DeleteFunc(candidates("x"), func(p netip.Prefix) bool { return overlaps(p, routes) })
	if len(free) != 512 || !netip.MustParsePrefix("172.29.0.0/16").Overlaps(free[0]) {
		t.Errorf("%d subnets are free, the first %v; want the 512 outside the VPN", len(free), free[0])
	}
	if a := address(free[0], MaxHosts); !free[0].Contains(a) {
		t.Errorf("%v is not in %v", a, free[0])
	}
}

func TestArchive(t *testing.T) {
	h := Host{Name: "web3", UserData: "#cloud-config\n", Files: map[string]string{"/etc/fleet/join": "secret"}}
	stream, err := h.archive(3)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(stream); ; {
		head, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if head.Typeflag == tar.TypeReg {
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, head.FileInfo().Mode().String()+" "+head.Name+" "+string(data))
		}
	}
	want := []string{
		"-rw-r--r-- etc/fleet/facts.d/hagroup.txt hagroup=c\n",
		"-rw------- var/lib/cloud/seed/nocloud/user-data #cloud-config\n",
		"-rw-r--r-- var/lib/cloud/seed/nocloud/meta-data instance-id: lab-web3\nlocal-hostname: web3\n",
		"-rw------- etc/fleet/join secret",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if _, err := archive([]file{{"relative", 0o600, ""}}); err == nil {
		t.Error("a relative path was packed")
	}
}

func TestImageTagFollowsTheScript(t *testing.T) {
	a, b := imageTag(base, []byte("one")), imageTag(base, []byte("two"))
	if a == b || a == imageTag(cloud, []byte("one")) || !strings.HasPrefix(a, "fleet-lab:base-") || len(a) != len("fleet-lab:base-")+12 {
		t.Errorf("tags %q and %q", a, b)
	}
}
