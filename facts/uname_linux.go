package facts

import "syscall"

// uname returns the kernel's name of the machine, such as x86_64 or aarch64.
func uname() string {
	var u syscall.Utsname
	if syscall.Uname(&u) != nil {
		return ""
	}
	name := make([]byte, 0, len(u.Machine))
	for _, c := range u.Machine { // int8 here, uint8 there
		if c == 0 {
			break
		}
		name = append(name, byte(c))
	}
	return string(name)
}
