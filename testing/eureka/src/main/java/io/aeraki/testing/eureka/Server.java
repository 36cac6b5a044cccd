package io.aeraki.testing.eureka;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.cloud.netflix.eureka.server.EnableEurekaServer;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.web.SecurityFilterChain;

/** A Eureka server that asks for a user and password where spring.security.user is set. Settings come as -D properties. */
@SpringBootConfiguration
@EnableAutoConfiguration
@EnableEurekaServer
public class Server {
    public static void main(String[] args) {
        SpringApplication.run(Server.class, args);
    }

    @Bean
    SecurityFilterChain security(HttpSecurity http) throws Exception {
        boolean open = System.getProperty("spring.security.user.password") == null;
        http.csrf(csrf -> csrf.disable()).httpBasic(Customizer.withDefaults());
        http.authorizeHttpRequests(all -> {
            if (open) all.anyRequest().permitAll();
            else all.anyRequest().authenticated();
        });
        return http.build();
    }
}
