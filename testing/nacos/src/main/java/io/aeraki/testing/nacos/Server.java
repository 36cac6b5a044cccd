package io.aeraki.testing.nacos;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.servlet.ServletComponentScan;
import org.springframework.scheduling.annotation.EnableScheduling;

/** Starts Nacos' naming, configuration and authentication modules in one process. Settings come as -D properties. */
@SpringBootApplication(scanBasePackages = {"com.alibaba.nacos", "io.aeraki.testing.nacos"})
@ServletComponentScan("com.alibaba.nacos")
@EnableScheduling
public class Server {
    public static void main(String[] args) {
        SpringApplication.run(Server.class, args);
    }
}
