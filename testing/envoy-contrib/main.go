// Reads lines "full.message.Name<TAB>json" and says of each whether Envoy's contrib API takes it.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	kafka "github.com/envoyproxy/go-control-plane/contrib/envoy/extensions/filters/network/kafka_broker/v3"
	mysql "github.com/envoyproxy/go-control-plane/contrib/envoy/extensions/filters/network/mysql_proxy/v3"
	postgres "github.com/envoyproxy/go-control-plane/contrib/envoy/extensions/filters/network/postgres_proxy/v3alpha"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func main() {
	kinds := map[string]func() proto.Message{
		"envoy.extensions.filters.network.kafka_broker.v3.KafkaBroker":          func() proto.Message { return &kafka.KafkaBroker{} },
		"envoy.extensions.filters.network.mysql_proxy.v3.MySQLProxy":            func() proto.Message { return &mysql.MySQLProxy{} },
		"envoy.extensions.filters.network.postgres_proxy.v3alpha.PostgresProxy": func() proto.Message { return &postgres.PostgresProxy{} },
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		name, text, _ := strings.Cut(in.Text(), "\t")
		make, known := kinds[name]
		if !known {
			fmt.Println("unknown type " + name)
			continue
		}
		message := make()
		if err := protojson.Unmarshal([]byte(text), message); err != nil {
			fmt.Println(err)
			continue
		}
		if err := message.(interface{ ValidateAll() error }).ValidateAll(); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("ok")
	}
}
