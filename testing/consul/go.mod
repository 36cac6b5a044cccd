// Consul as a Go module, of the last line under the Mozilla Public License that builds without parts under another one.
module aeraki.testing/consul

go 1.22

require github.com/hashicorp/consul v1.14.0
