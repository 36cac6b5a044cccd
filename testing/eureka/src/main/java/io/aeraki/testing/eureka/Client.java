package io.aeraki.testing.eureka;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;

/** A Spring application that registers itself in Eureka, as they all do. Settings come as -D properties. */
@SpringBootConfiguration
@EnableAutoConfiguration
public class Client {
    public static void main(String[] args) {
        SpringApplication.run(Client.class, args);
    }
}
